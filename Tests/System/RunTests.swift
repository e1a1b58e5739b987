import Command
import Foundation
import Schedule
import Systemd
import Testing

/// What runs of the service do in its sandbox, and what the journal has of them.
@Suite("runs of the service", .serialized, .whereMachinesBoot, .installedService(), .timeLimit(.minutes(3)))
struct RunTests {
    @Test("all kinds succeed when they are due, in the sandbox, as the service's own user")
    func kinds() async throws {
        let service = try InstalledService.current
        let machine = service.machine
        let kinds = ["cleanup": "retention", "backup": "backup", "tokens": "token-purge", "sizes": "table-sizes"]
        let jobs = kinds.keys.sorted().map { SchoolDatabase.job($0, schedule: "*/5 * * * * *") }
        let cursor = try await service.restart(with: SchoolDatabase.configuration(jobs[0], jobs[1], jobs[2], jobs[3]))
        for (job, kind) in kinds.sorted(by: { $0.key < $1.key }) {
            let entry = try await service.awaitEvent(.runSucceeded, of: job, after: cursor)
            #expect(entry["PGCARETAKER_KIND"] == kind)
            #expect(entry["PGCARETAKER_TRIGGER"] == "schedule")
        }
        for run in try await service.history() where run.trigger == "schedule" && run.outcome == "succeeded" {
            let fire = try #require(run.scheduledAt.flatMap { Instant(rfc3339: $0) })
            let start = try #require(Instant(rfc3339: run.startedAt))
            #expect(fire.secondsSinceEpoch % 5 == 0)
            // The host may be busy, but a fire is neither early nor a fire late.
            #expect(start >= fire && start - fire < .seconds(5), "\(run)")
        }

        // What they were to do is done.
        let rows = try await machine.sql(
            #"SELECT (SELECT count(*) FROM activities), (SELECT count("passwordResetToken") FROM users)"#,
            in: SchoolDatabase.name)
        let left = SchoolDatabase.tokens - SchoolDatabase.expiredTokens
        #expect(rows == "\(SchoolDatabase.activities - SchoolDatabase.oldActivities)|\(left)")
        #expect(try await machine.demand("pgcaretaker", "tables", "--json").contains("\"activities\""))
        let files = try await machine.listing(InstalledService.backups)
        #expect(!files.isEmpty)
        #expect(files.allSatisfy { $0.hasPrefix("f 600 pgcaretaker:pgcaretaker ") }, "\(files)")

        // As whom, and how.
        let process = try await service.mainProcess
        let status = try await machine.pull("/proc/\(process)/status")
        let user = try await machine.demand("id", "-u", "pgcaretaker").trimmingCharacters(in: .newlines)
        #expect(status.contains("\nUid:\t\(user)\t\(user)\t\(user)\t\(user)\n"))
        #expect(status.contains("\nNoNewPrivs:\t1\n"))
        #expect(status.contains("\nSeccomp:\t2\n"))
        #expect(status.contains("\nCapEff:\t0000000000000000\n"))
        let log = try await machine.demand("sh", "-c", "cat /var/log/postgresql/*.log").split(separator: "\n")
        let logins = log.filter { $0.contains("connection authenticated") && $0.contains("identity=\"pgcaretaker\"") }
        #expect(!logins.isEmpty)
        #expect(logins.allSatisfy { $0.contains("method=peer") }, "\(logins)")
    }

    @Test("a success is told with all of its fields, in two lines at most, and journalctl explains it")
    func success() async throws {
        let service = try InstalledService.current
        try await service.fillDatabase()
        let cursor = try await service.restart(
            with: SchoolDatabase.configuration(
                SchoolDatabase.job("cleanup", schedule: everySecond), SchoolDatabase.job("backup", schedule: everySecond)))
        let cleanup = try await service.awaitEvent(.runSucceeded, of: "cleanup", after: cursor)
        let backup = try await service.awaitEvent(.runSucceeded, of: "backup", after: cursor)
        try await service.machine.demand("systemctl", "stop", InstalledService.unit)

        for (entry, job, kind) in [(cleanup, "cleanup", "retention"), (backup, "backup", "backup")] {
            #expect(entry["SYSLOG_IDENTIFIER"] == "pgcaretaker")
            #expect(entry.priority == 6)
            #expect(entry["PGCARETAKER_JOB"] == job)
            #expect(entry["PGCARETAKER_KIND"] == kind)
            #expect(entry["PGCARETAKER_TRIGGER"] == "schedule")
            #expect(entry["PGCARETAKER_DATABASE"] == "main")
            #expect(entry["PGCARETAKER_OUTCOME"] == "succeeded")
            #expect(entry["PGCARETAKER_DURATION_USEC"].flatMap { Int($0) } ?? 0 > 0)
            #expect(entry["PGCARETAKER_ERROR_CODE"] == nil)
            let run = try #require(entry["PGCARETAKER_RUN_ID"])
            let lines = try await service.machine.journal("PGCARETAKER_RUN_ID=\(run)")
            #expect((1...2).contains(lines.count), "\(lines)")
            // Every number of the history is in the journal.
            let past = try #require(try await service.history(of: job).first { $0.runId == run })
            #expect(!past.measures.isEmpty)
            for (name, value) in past.measures {
                #expect(entry["PGCARETAKER_\(name.uppercased())"] == String(value), "\(name)")
            }
        }
        #expect(cleanup["PGCARETAKER_ROWS_DELETED"] == String(SchoolDatabase.oldActivities))
        #expect(try await service.machine.journal("PGCARETAKER_JOB=backup", after: cursor).contains(backup))

        let explained = try await service.machine.demand("journalctl", "-x", "--no-pager", "PGCARETAKER_JOB=cleanup")
        #expect(explained.contains("Subject: Job cleanup has succeeded"))
        #expect(explained.contains("pgcaretaker history --job cleanup"))

        // Nothing is said that is not an event with an explanation, and nothing past the journal's own protocol.
        for entry in try await service.machine.journal("_SYSTEMD_UNIT=\(InstalledService.unit)", after: cursor) {
            #expect(entry["SYSLOG_IDENTIFIER"] == "pgcaretaker" && entry["MESSAGE_ID"] != nil, "\(entry)")
            #expect(entry["_TRANSPORT"] == "journal", "\(entry)")
        }
    }

    @Test("what a run says before its end says which run it is, too")
    func underway() async throws {
        let service = try InstalledService.current
        let cursor = try await service.restart(
            with: SchoolDatabase.configuration(
                SchoolDatabase.job("sizes", schedule: everySecond, more: "warn_size = \"8KiB\"")))
        let warning = try await service.awaitEvent(.thresholdCrossed, of: "sizes", after: cursor)
        let run = try #require(warning["PGCARETAKER_RUN_ID"])
        let end = try await service.awaitEvent(.runSucceeded, of: "sizes", after: cursor) { $0["PGCARETAKER_RUN_ID"] == run }
        for field in ["JOB", "KIND", "TRIGGER", "DATABASE"] {
            let value = try #require(warning["PGCARETAKER_\(field)"], "\(field)")
            #expect(value == end["PGCARETAKER_\(field)"])
        }
        #expect(warning.priority == 4 && warning["PGCARETAKER_KIND"] == "table-sizes")
    }

    @Test("a failure is told with its code and the server's")
    func failure() async throws {
        let service = try InstalledService.current
        // Where nothing is old, nothing is refused.
        try await service.fillDatabase()
        try await service.machine.sql("REVOKE DELETE ON activities FROM pgcaretaker", in: SchoolDatabase.name)
        let cursor = try await service.restart(
            with: SchoolDatabase.configuration(SchoolDatabase.job("cleanup", schedule: everySecond)))
        let entry = try await service.awaitEvent(.runFailed, of: "cleanup", after: cursor)
        #expect(entry.priority == 3)
        #expect(entry["PGCARETAKER_OUTCOME"] == "failed")
        #expect(entry["PGCARETAKER_ERROR_CODE"] == "permission-denied")
        #expect(entry["PGCARETAKER_SQLSTATE"] == "42501")
        #expect(entry["PGCARETAKER_ROWS_DELETED"] == "0")
        #expect(entry.message.hasPrefix("failed: permission denied for table activities"))
        #expect(try await service.property("ActiveState") == "active")
        try await service.machine.sql("GRANT DELETE ON activities TO pgcaretaker", in: SchoolDatabase.name)
    }

    @Test("a password in a credential is nowhere to be seen")
    func secret() async throws {
        let service = try InstalledService.current
        let machine = service.machine
        let secret = "S3cret-\(UUID().uuidString)"
        try await machine.sql("ALTER ROLE pgcaretaker PASSWORD '\(secret)'")
        try await machine.push(
            "postgresql://pgcaretaker:\(secret)@127.0.0.1/school_erp\n", to: "/etc/pgcaretaker/database-url", mode: "600")
        let dump = try await HangingDump.install(on: machine)
        let cursor = try await service.reset(
            to: SchoolDatabase.configuration(
                SchoolDatabase.job("backup", schedule: everySecond, more: "pg_bin = \"\(HangingDump.directory)\""),
                SchoolDatabase.job("sizes", schedule: everySecond), url: nil),
            dropIn: "LoadCredential=database-url:/etc/pgcaretaker/database-url")
        try await machine.demand("touch", "/etc/pgcaretaker/hang")
        try await service.start()
        try await service.awaitEvent(.runSucceeded, of: "sizes", after: cursor)
        try await dump.awaitHanging(after: cursor)
        // With pg_dump's script, its child, and what compresses, all of them there.
        #expect(try await service.children(of: service.mainProcess).count >= 3)

        // The pattern is read from a file so that this search does not find itself.
        try await machine.push(secret, to: "/root/pattern", mode: "600")
        let search = """
            for process in /proc/[0-9]*; do
                for file in cmdline environ; do
                    if tr '\\0' '\\n' <"$process/$file" 2>/dev/null | grep -qF -f /root/pattern; then echo "$process/$file"; fi
                done
            done
            find /etc /var /run /tmp /opt -xdev -type f -perm /o=r -exec grep -lF -f /root/pattern {} +
            journalctl --output=export --all | grep -caF -f /root/pattern
            """
        let found = try await machine.run("sh", "-c", search)
        #expect(found.standardOutput == "0\n")
        // The search does find what is not hidden.
        try await machine.push(secret, to: "/etc/visible")
        #expect(try await machine.run("sh", "-c", search).standardOutput.contains("/etc/visible"))
        try await machine.demand("rm", "/etc/visible")

        // Nor is it in what is said of a server that refuses it.
        try await machine.sql("ALTER ROLE pgcaretaker PASSWORD 'another'")
        try await service.awaitEvent(.runFailed, of: "sizes", after: cursor) {
            $0["PGCARETAKER_ERROR_CODE"] == "database-refused"
        }
        #expect(try await machine.run("sh", "-c", search).standardOutput == "0\n")
        try await machine.demand("systemctl", "stop", InstalledService.unit)
        #expect(try await machine.run("sh", "-c", search).standardOutput == "0\n")
    }
}
