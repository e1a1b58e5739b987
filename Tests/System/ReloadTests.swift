import Command
import Systemd
import Testing

/// How the service takes another configuration, or refuses it.
@Suite("a reload of the service", .serialized, .whereMachinesBoot, .installedService(), .timeLimit(.minutes(3)))
struct ReloadTests {
    /// A file whose third line is wrong.
    private static let broken = "[database]\nurl = \"postgresql:///school_erp\"\n[jobs.sizes]\nkind = \"table-size\"\n"

    private static let before = SchoolDatabase.configuration(SchoolDatabase.job("sizes", schedule: everySecond))

    @Test("by systemctl with a broken file fails and names the error, and the old configuration stays in force")
    func broken() async throws {
        let service = try InstalledService.current
        let cursor = try await service.restart(with: Self.before)
        let process = try await service.mainProcess
        try await service.push(Self.broken)
        let reload = try await service.machine.run("systemctl", "reload", InstalledService.unit)
        #expect(reload.status == 1)
        let lines = try await service.machine.journal("_SYSTEMD_UNIT=\(InstalledService.unit)", after: cursor)
        #expect(
            lines.contains { $0.message.hasPrefix("\(InstalledService.configurationFile):4: jobs.sizes.kind: ") }, "\(lines)")
        try await demandOldConfiguration(service, process)
    }

    @Test("by SIGHUP with a broken file is refused, the journal says why, and the unit is active again")
    func hangUp() async throws {
        let service = try InstalledService.current
        let cursor = try await service.restart(with: Self.before)
        let process = try await service.mainProcess
        let changed = try await service.property("StateChangeTimestampMonotonic")
        try await service.push(Self.broken)
        try await service.machine.demand("systemctl", "kill", "--kill-who=main", "--signal=HUP", InstalledService.unit)
        let error = try await service.awaitEvent(.configurationRefused, after: cursor)
        #expect(error.message.hasPrefix("\(InstalledService.configurationFile):4: jobs.sizes.kind: "))
        #expect(error["PGCARETAKER_CONFIG_LINE"] == "4")
        #expect(error["PGCARETAKER_CONFIG_KEY"] == "jobs.sizes.kind")
        try await service.awaitEvent(.configurationRefused, after: cursor) {
            $0.message == "the new configuration is refused; the old one stays in force"
        }
        try await demandOldConfiguration(service, process)
        // Active, reloading and active again: only RELOADING=1 and READY=1 bring that about.
        #expect(try await service.property("StateChangeTimestampMonotonic") != changed)
    }

    @Test("with a good file takes effect and says what it changed")
    func good() async throws {
        let service = try InstalledService.current
        let cursor = try await service.restart(with: Self.before)
        let process = try await service.mainProcess
        try await service.awaitEvent(.runSucceeded, of: "sizes", after: cursor)
        try await service.push(
            SchoolDatabase.configuration(
                SchoolDatabase.job("tokens", schedule: everySecond), SchoolDatabase.job("cleanup", schedule: rarely)))
        try await service.machine.demand("systemctl", "reload", InstalledService.unit)
        let reloaded = try await service.awaitEvent(.configurationReloaded, after: cursor)
        #expect(reloaded.message == "configuration reloaded: added cleanup, tokens; removed sizes")
        #expect(try await service.mainProcess == process)
        try await service.awaitEvent(.runSucceeded, of: "tokens", after: cursor)
        let tokens = try await service.awaitEvent(.runSucceeded, of: "tokens", after: reloaded.cursor)
        #expect(try await service.property("ActiveState") == "active")
        try await service.awaitStatus { $0.contains("next: tokens at ") }
        // A run that was going at that moment may have ended after it, but none began.
        let history = try await service.history(of: "sizes")
        let last = try #require(history.last)
        #expect(try #require(tokens["PGCARETAKER_SCHEDULED_AT"]) > #require(last.scheduledAt))
    }

    @Test("that changes nothing but options keeps the history, says which, and what takes a restart")
    func options() async throws {
        let service = try InstalledService.current
        let cursor = try await service.restart(
            with: SchoolDatabase.configuration(SchoolDatabase.job("cleanup", schedule: rarely)))
        try await service.push(
            "log_level = \"notice\"\n"
                + SchoolDatabase.configuration(SchoolDatabase.job("cleanup", schedule: rarely, more: "batch_rows = 5")))
        try await service.machine.demand("systemctl", "reload", InstalledService.unit)
        let reloaded = try await service.awaitEvent(.configurationReloaded, after: cursor)
        #expect(reloaded.message == "configuration reloaded: changed jobs.cleanup.batch_rows, log_level")
        let warning = try await service.awaitEvent(.configurationWarning, after: cursor)
        #expect(warning.message == "a restart is needed for log_level")
    }

    /// The daemon is the same process, ready, and a fire of the old configuration runs.
    private func demandOldConfiguration(_ service: InstalledService, _ process: Int32) async throws {
        let end = try await service.machine.journalEnd()
        try await service.awaitEvent(.runSucceeded, of: "sizes", after: end)
        #expect(try await service.mainProcess == process)
        #expect(try await service.property("ActiveState") == "active")
        #expect(try await service.property("SubState") == "running")
    }
}
