import Command
import Foundation
import Systemd
import Testing

/// How the service stops while a job runs.
@Suite("a stop of the service", .serialized, .whereMachinesBoot, .installedService(), .timeLimit(.minutes(3)))
struct StopTests {
    @Test("during a dump ends in seconds and leaves nothing of it", arguments: [false, true])
    func dump(isStubborn: Bool) async throws {
        let service = try InstalledService.current
        let dump = try await HangingDump.install(on: service.machine, isStubborn: isStubborn)
        let cursor = try await service.reset(
            to: SchoolDatabase.configuration(
                SchoolDatabase.job("backup", schedule: everySecond, more: "pg_bin = \"\(HangingDump.directory)\"")))
        try await service.machine.demand("touch", "/etc/pgcaretaker/hang")
        let process = try await service.start()
        try await dump.awaitHanging(after: cursor)
        #expect(try await service.machine.listing(InstalledService.backups).count == 1)
        #expect(try await service.children(of: process).count >= 3)

        try await demandStop(service, cursor, within: isStubborn ? .seconds(12) : .seconds(5))
        let ended = try await service.awaitEvent(.runCancelled, of: "backup", after: cursor)
        #expect(ended["PGCARETAKER_OUTCOME"] == "cancelled")
        #expect(try await service.history(of: "backup").filter { $0.outcome != "skipped" }.map(\.outcome) == ["cancelled"])
    }

    @Test("while pg_dump waits for a lock takes the server's session away, too")
    func lock() async throws {
        let service = try InstalledService.current
        let cursor = try await service.reset(
            to: SchoolDatabase.configuration(SchoolDatabase.job("backup", schedule: everySecond, more: "lock_timeout = \"10m\"")))
        try await service.machine.demand(
            "systemd-run", "--quiet", "--unit=locker", "--uid=postgres", "--setenv=PGAPPNAME=locker", "psql", "-qX", "-d",
            SchoolDatabase.name, "-c", "BEGIN; LOCK TABLE activities; SELECT pg_sleep(600)")
        try await service.awaitInDatabase("EXISTS (SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted)")
        try await service.start()
        try await service.awaitInDatabase(
            "EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'pgcaretaker' AND wait_event_type = 'Lock')")
        try await demandStop(service, cursor, within: .seconds(5))
        try await service.machine.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'locker'")
    }

    @Test("during a retention leaves whole batches, and says how many rows they were")
    func retention() async throws {
        let service = try InstalledService.current
        try await service.fillDatabase()
        let cursor = try await service.restart(
            with: SchoolDatabase.configuration(
                SchoolDatabase.job("cleanup", schedule: everySecond, more: "batch_rows = 30\npause = \"100ms\"")))
        try await service.awaitInDatabase("(SELECT count(*) FROM activities) <= \(SchoolDatabase.activities - 90)")
        try await demandStop(service, cursor, within: .seconds(5))

        let count = try #require(Int(try await service.machine.sql("SELECT count(*) FROM activities", in: SchoolDatabase.name)))
        let deleted = SchoolDatabase.activities - count
        #expect(deleted % 30 == 0)
        #expect(deleted < SchoolDatabase.oldActivities, "it was over before the stop")
        let ended = try await service.awaitEvent(.runCancelled, of: "cleanup", after: cursor)
        let told = try #require(ended["PGCARETAKER_ROWS_DELETED"].flatMap { Int($0) })
        // The answer to the last batch may have been lost to the stop.
        #expect([deleted, deleted - 30].contains(told), "\(told) of \(deleted)")
    }

    @Test("with nothing to end is a matter of a moment, and a success")
    func idle() async throws {
        let service = try InstalledService.current
        let cursor = try await service.restart(with: SchoolDatabase.configuration(SchoolDatabase.job("sizes", schedule: rarely)))
        try await demandStop(service, cursor, within: .seconds(2))
        try await service.awaitEvent(.daemonStopping, after: cursor)
        try await service.awaitEvent(.daemonStopped, after: cursor)
    }

    /// Stops the service and demands that it ends in good order, in time, and leaves nothing behind.
    private func demandStop(_ service: InstalledService, _ cursor: String, within limit: Duration) async throws {
        let begin = ContinuousClock.now
        try await service.machine.demand("systemctl", "stop", InstalledService.unit)
        let duration = ContinuousClock.now - begin
        #expect(duration < limit)
        #expect(try await service.property("Result") == "success")
        #expect(try await service.property("ExecMainStatus") == "0")
        #expect(try await service.machine.listing(InstalledService.backups) == [])
        #expect(try await service.children(of: 0) == [])
        // A session ends a moment after its client; one that nobody tells stays.
        try await service.awaitInDatabase("NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'pgcaretaker')")
        // systemd had nothing to kill.
        let killed = try await service.machine.journal("UNIT=\(InstalledService.unit)", after: cursor)
            .filter { $0.message.contains("SIGKILL") || $0.message.contains("timed out") }
        #expect(killed == [])
    }
}
