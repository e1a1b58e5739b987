import Command
import Systemd
import Testing

/// How the service starts, refuses to start, and what it says of itself to systemd.
@Suite("the service", .serialized, .whereMachinesBoot, .installedService(), .timeLimit(.minutes(3)))
struct DaemonTests {
    @Test("is active once it is ready, and tells what is due next")
    func ready() async throws {
        let service = try InstalledService.current
        let cursor = try await service.restart(
            with: SchoolDatabase.configuration(
                SchoolDatabase.job("backup", schedule: "30 4 29 2 *"), SchoolDatabase.job("sizes", schedule: "0 5 29 2 *")))
        #expect(try await service.property("ActiveState") == "active")
        #expect(try await service.statusText.hasPrefix("next: backup at 20"))
        #expect(try await service.statusText.hasSuffix("-02-29 04:30:00"))
        let started = try await service.awaitEvent(.daemonStarted, after: cursor)
        #expect(started.message == "started with 2 jobs on 1 database")
        try await service.awaitStatus { $0.contains("next: ") }
        let status = try await service.machine.demand("systemctl", "status", "--no-pager", InstalledService.unit)
        #expect(status.contains("Status: \"next: backup at 20"))
    }

    @Test("is not active as long as its scheduler is not armed")
    func notReady() async throws {
        let service = try InstalledService.current
        let cursor = try await service.reset(
            to: SchoolDatabase.configuration(SchoolDatabase.job("sizes", schedule: rarely)),
            dropIn: """
                Environment=PGCARETAKER_DEBUG_STALL_SCHEDULER=/etc/pgcaretaker/stall
                TimeoutStartSec=2s
                TimeoutStopSec=1s
                Restart=no
                """)
        try await service.machine.push("", to: "/etc/pgcaretaker/stall")
        let start = try await service.machine.run("systemctl", "start", InstalledService.unit)
        #expect(start.status == 1)
        #expect(try await service.property("Result") == "timeout")
        #expect(try await service.events(.daemonStarted, after: cursor) == [])
    }

    @Test("is active without its database, and says that it is degraded")
    func withoutDatabase() async throws {
        let service = try InstalledService.current
        try await service.machine.stopPostgreSQL()
        let cursor = try await service.restart(
            with: SchoolDatabase.configuration(SchoolDatabase.job("sizes", schedule: rarely)))
        #expect(try await service.property("ActiveState") == "active")
        let entry = try await service.awaitEvent(.databaseUnreachable, after: cursor)
        #expect(entry.priority == 4)
        #expect(entry["PGCARETAKER_DATABASE"] == "main")
        try await service.awaitStatus { $0.hasPrefix("DEGRADED: cannot reach database main; next: sizes at ") }
        try await service.machine.startPostgreSQL()
    }

    @Test("does not start with a history that it cannot open, and says why")
    func unusableHistory() async throws {
        let service = try InstalledService.current
        let cursor = try await service.reset(
            to: SchoolDatabase.configuration(SchoolDatabase.job("sizes", schedule: rarely)), dropIn: "Restart=no")
        try await service.machine.push("", to: "/var/lib/pgcaretaker/history.db", mode: "600")
        let start = try await service.machine.run("systemctl", "start", InstalledService.unit)
        #expect(start.status == 1)
        #expect(try await service.property("ExecMainStatus") == "77")
        let entry = try await service.awaitEvent(.startFailed, after: cursor)
        #expect(
            entry.message
                == "the history /var/lib/pgcaretaker/history.db cannot be used: unable to open database file. "
                + "Check the free space and the permissions of its folder.")
        #expect(try await service.statusText.hasPrefix("the history /var/lib/pgcaretaker/history.db cannot be used"))
    }

    @Test("ends with 78 on a configuration with errors, tells each of them once, and is not started again")
    func configurationErrors() async throws {
        let service = try InstalledService.current
        let cursor = try await service.reset(
            to: """
                [database]
                url = "postgresql:///school_erp"
                [jobs.cleanup]
                kind = "retention"
                schedule = "0 0 30 2 *"
                tabel = "activities"
                keep = "90"
                """)
        let start = try await service.machine.run("systemctl", "start", InstalledService.unit)
        #expect(start.status == 1)
        #expect(try await service.property("ExecMainStatus") == "78")
        // Not "activating", which it would be while it waits to be started again.
        #expect(try await service.property("ActiveState") == "failed")
        #expect(try await service.property("NRestarts") == "0")

        let lines = try await service.machine.journal("SYSLOG_IDENTIFIER=pgcaretaker", after: cursor)
        let problems = lines.map { "\($0["PGCARETAKER_CONFIG_LINE"] ?? "?") \($0["PGCARETAKER_CONFIG_KEY"] ?? "?")" }
        #expect(
            Set(problems) == [
                "3 jobs.cleanup.table", "3 jobs.cleanup.column", "5 jobs.cleanup.schedule", "6 jobs.cleanup.tabel",
                "7 jobs.cleanup.keep",
            ])
        #expect(problems.count == Set(problems).count)
        for line in lines {
            #expect(line["MESSAGE_ID"] == JournalEvent.configurationRefused.messageID)
            #expect(line.message.hasPrefix("\(InstalledService.configurationFile):"))
            #expect(line.priority == 3)
        }
        let restarts = try await service.machine.journal(
            "MESSAGE_ID=\(UnitEvent.restartScheduled.rawValue)", "UNIT=\(InstalledService.unit)", after: cursor)
        #expect(restarts == [])
    }

    @Test("names the jobs that run")
    func running() async throws {
        let service = try InstalledService.current
        let dump = try await HangingDump.install(on: service.machine)
        let cursor = try await service.reset(
            to: SchoolDatabase.configuration(
                SchoolDatabase.job("backup", schedule: everySecond, more: "pg_bin = \"\(HangingDump.directory)\""),
                SchoolDatabase.job("sizes", schedule: rarely)))
        try await service.machine.demand("touch", "/etc/pgcaretaker/hang")
        try await service.start()
        try await dump.awaitHanging(after: cursor)
        try await service.awaitStatus { $0.contains("running backup; next: ") }
    }

    @Test("leaves a state directory to the daemon that works in it")
    func two() async throws {
        let service = try InstalledService.current
        try await service.restart(with: SchoolDatabase.configuration(SchoolDatabase.job("sizes", schedule: rarely)))
        let second = try await service.machine.run("pgcaretaker", "daemon", as: "pgcaretaker")
        #expect(second.status == 75)
        #expect(second.standardOutput == "")
        let lines = second.standardError.split(separator: "\n")
        #expect(lines.count == 1)
        #expect(lines.first?.contains("another daemon works in /var/lib/pgcaretaker") == true)
        #expect(try await service.property("ActiveState") == "active")
    }
}
