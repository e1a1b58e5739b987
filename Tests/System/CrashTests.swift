import Command
import Foundation
import History
import Schedule
import Systemd
import Testing

/// What becomes of runs when the service dies, hangs or was not there.
@Suite("a crash of the service", .serialized, .whereMachinesBoot, .installedService(), .timeLimit(.minutes(3)))
struct CrashTests {
    @Test("in the middle of a run makes it failed, and its fire is made up for once")
    func interrupted() async throws {
        let service = try InstalledService.current
        let dump = try await HangingDump.install(on: service.machine)
        // Due once, and then not for a day: what runs later is made up for, not due.
        let cursor = try await service.reset(to: SchoolDatabase.configuration(Self.marker), dropIn: "RestartSec=100ms")
        try await service.machine.demand("touch", "/etc/pgcaretaker/hang")
        let first = try await service.start()
        try await service.makeDueOnce { schedule in
            SchoolDatabase.configuration(
                Self.marker,
                SchoolDatabase.job(
                    "backup", schedule: schedule, more: "pg_bin = \"\(HangingDump.directory)\"\nretry_delay = \"1s\""))
        }
        try await dump.awaitHanging(after: cursor)
        try await dump.mend()
        try await service.machine.demand("kill", "-KILL", String(first))

        try await service.machine.awaitEvent(.restartScheduled, of: InstalledService.unit, after: cursor)
        let failed = try await service.awaitEvent(.runFailed, of: "backup", after: cursor)
        #expect(failed["PGCARETAKER_ERROR_CODE"] == "interrupted")
        let done = try await service.awaitEvent(.runSucceeded, of: "backup", after: cursor)
        #expect(done["PGCARETAKER_TRIGGER"] == "retry")
        // Something of the marker's that came later than all that the restart could have brought.
        try await service.awaitEvent(.runSucceeded, of: "tokens", after: done.cursor)

        let runs = try await service.history(of: "backup")
        #expect(runs.map(\.outcome) == ["failed", "succeeded"])
        #expect(runs.map(\.attempt) == [1, 2])
        #expect(runs.map(\.errorCode) == ["interrupted", nil])
        #expect(Set(runs.map(\.scheduledAt)).count == 1)
        let process = try await service.mainProcess
        #expect(process != first && process != 0)
        #expect(try await service.property("NRestarts") == "1")
        // Nothing of the interrupted dump is left: neither its processes nor its file.
        #expect(try await service.children(of: process) == [])
        let files = try await service.machine.listing(InstalledService.backups)
        #expect(files.count == 2 && !files.contains { $0.contains("partial") }, "\(files)")
    }

    @Test("between runs doubles none and loses none")
    func everyFire() async throws {
        let service = try InstalledService.current
        let cursor = try await service.restart(with: SchoolDatabase.configuration(Self.marker), dropIn: "RestartSec=2s")
        let before = try await service.awaitEvent(.runSucceeded, of: "tokens", after: cursor)
        try await service.machine.demand("kill", "-KILL", String(service.mainProcess))
        try await service.machine.awaitEvent(.started, of: InstalledService.unit, after: before.cursor)
        let after = try await service.machine.journalEnd()
        try await service.awaitEvent(.runSucceeded, of: "tokens", after: after)
        try await service.machine.demand("systemctl", "stop", InstalledService.unit)

        // A fire a second, so records and the fires that they stand for make up the seconds from the first to the last.
        let runs = try await service.history(of: "tokens").filter { $0.trigger != "retry" }
        let fires = try runs.map { try #require($0.scheduledAt.flatMap { Instant(rfc3339: $0) }) }
        let seconds = fires.map(\.secondsSinceEpoch)
        #expect(Set(seconds).count == seconds.count)
        let first = try #require(seconds.min())
        let last = try #require(seconds.max())
        let passed = runs.reduce(0) { $0 + $1.passedFires }
        #expect(Int64(runs.count + passed) == last - first + 1, "\(runs)")
        #expect(runs.contains { $0.skipReason == "missed" })
    }

    @Test("or an absence over a fire is made up for exactly once, however often it starts")
    func missed() async throws {
        let service = try InstalledService.current
        let machine = service.machine
        // Due every day, at a time that has passed today by an hour and more.
        let now = Instant(microsecondsSinceEpoch: Int64(Date().timeIntervalSince1970 * 1e6))
        let hour = (now.secondsSinceEpoch / 3600 + 22) % 24
        let schedule = "0 \(hour) * * *"
        try await service.reset(
            to: SchoolDatabase.configuration(SchoolDatabase.job("cleanup", schedule: schedule), Self.marker))
        try await Self.push(
            [JobKey(job: "cleanup", database: "main"): "\(schedule) [vixie] UTC"], seenAt: now - .seconds(3 * 86400 + 7200),
            to: machine)

        var cursor = try await machine.journalEnd()
        try await service.start()
        let caughtUp = try await service.awaitEvent(.catchUp, of: "cleanup", after: cursor)
        #expect(caughtUp.priority == 5)
        let done = try await service.awaitEvent(.runSucceeded, of: "cleanup", after: cursor)
        #expect(done["PGCARETAKER_TRIGGER"] == "catch-up")
        for _ in 1...2 {
            cursor = try await machine.journalEnd()
            try await machine.demand("kill", "-KILL", String(service.mainProcess))
            try await machine.awaitEvent(.processExited, of: InstalledService.unit, after: cursor)
            try await machine.demand("systemctl", "restart", InstalledService.unit)
            try await service.awaitEvent(.runSucceeded, of: "tokens", after: try machine.journalEnd())
        }
        let runs = try await service.history(of: "cleanup")
        #expect(runs.filter { $0.outcome != "skipped" }.map(\.trigger) == ["catch-up"])
        // The days before are one record.
        let skipped = runs.filter { $0.outcome == "skipped" }
        #expect(skipped.map(\.skipReason) == ["missed"])
        #expect(skipped.map(\.passedFires).allSatisfy { (1...2).contains($0) }, "\(skipped)")
    }

    /// Fires every second and does next to nothing.
    private static let marker = SchoolDatabase.job("tokens", schedule: everySecond)

    /// Gives the service a history that knows jobs, but none of their fires, since an instant of the past.
    private static func push(_ jobs: [JobKey: String], seenAt: Instant, to machine: BootedMachine) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("history-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("history.db").path
        do {
            let history = try History(path: path)
            _ = try await history.remember(jobs, at: seenAt)
            withExtendedLifetime(history) {}
        }
        for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: path + suffix) {
            try await machine.push(
                file: path + suffix, to: "/var/lib/pgcaretaker/history.db\(suffix)", mode: "600",
                owner: "pgcaretaker:pgcaretaker")
        }
    }
}
