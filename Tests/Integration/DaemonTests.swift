import Command
import Foundation
import Glibc
import History
import Postgres
import TestSupport
import Testing

@Suite("pgcaretaker daemon, in the foreground")
struct DaemonTests {
    /// A job that measures tables at every second that matches.
    func sizes(_ name: String, _ schedule: String = "* * * * * *", _ more: String = "") -> String {
        "[jobs.\(name)]\nkind = \"table-sizes\"\nschedule = \"\(schedule)\"\n\(more)\n"
    }

    func database(_ target: ConnectionTarget) -> String { "[database]\nurl = \(target.tomlURL)\n" }

    func runs(_ installation: Installation, _ job: String) async throws -> [[String: Any]] {
        try await installation.run("history", "--job", job, "--limit", "10000", "--json").objects()
    }

    @Test("each fire runs once, and one line says so")
    func fires() async throws {
        try await TestCluster.withDatabase { target in
            let installation = try Installation(database(target) + sizes("often"))
            let end = try await ForegroundDaemon.with(installation) { daemon in
                let first = try await daemon.line("measured")
                #expect(first.contains("often: measured 0 tables"), "\(first)")
                try await daemon.line("measured", after: daemon.said.count)
            }
            #expect(end == .exited(0))
            let runs = try await runs(installation, "often")
            let fires = runs.compactMap { $0["scheduled_at"] as? String }
            #expect(fires.count == runs.count && Set(fires).count == fires.count && fires.count >= 2)
            #expect(runs.allSatisfy { $0["trigger"] as? String == "schedule" && $0["outcome"] as? String == "succeeded" })
        }
    }

    @Test("a pause holds across a restart, is shown, recorded, folded into one line, and lifted by resume")
    func pause() async throws {
        try await TestCluster.withDatabase { target in
            let installation = try Installation(database(target) + sizes("often") + sizes("other"))
            let paused = try await installation.run("pause", "often", "--for", "1h", "--reason", "exams")
            #expect(paused.status == 0 && paused.output.contains("often is paused until"), "\(paused)")
            #expect(try await installation.run("jobs").output.contains("(exams)"))
            let job = try await installation.run("jobs", "--json").objects().first { $0["job"] as? String == "often" }
            #expect(job?["paused"] as? Bool == true && job?["pause_reason"] as? String == "exams")
            for _ in 0..<2 {
                try await ForegroundDaemon.with(installation) { daemon in
                    try await daemon.line("often: skipped")
                    for _ in 0..<2 { try await daemon.line("other: measured", after: daemon.said.count) }
                    #expect(daemon.said.filter { $0.contains("often: skipped") }.count == 1, "\(daemon.said)")
                }
            }
            #expect(try await runs(installation, "often").allSatisfy { $0["skip_reason"] as? String == "paused" })
            try await ForegroundDaemon.with(installation) { daemon in
                try await daemon.line("often: skipped")
                let resumed = try await installation.run("resume", "often")
                #expect(resumed.output.contains("often runs by its schedule again"), "\(resumed)")
                try await daemon.line("often: measured")
            }
            #expect(try await installation.run("resume", "often").output.contains("was not paused"))
            #expect(try await installation.run("pause", "oftne").status == 64)
        }
    }

    @Test("a job that runs after another one runs once that has succeeded, and is skipped when it has not")
    func after() async throws {
        try await TestCluster.withDatabase { target in
            let installation = try Installation(
                """
                [databases.main]
                url = \(target.tomlURL)
                [databases.absent]
                url = "postgresql://nobody@127.0.0.1:1/x"
                \(sizes("first", "*/2 * * * * *", "database = \"main\""))
                \(sizes("second", "*/2 * * * * *", "after = \"first\"\ndatabase = \"main\""))
                \(sizes("bad", "*/2 * * * * *", "database = \"absent\"\nretries = 0"))
                [jobs.third]
                kind = "table-sizes"
                after = "bad"
                database = "main"

                """)
            try await ForegroundDaemon.with(installation) { daemon in
                try await daemon.line("second: measured")
                try await daemon.line("third: skipped")
            }
            let second = try await runs(installation, "second")
            let first = try await runs(installation, "first")
            for run in second where run["outcome"] as? String == "succeeded" {
                let before = first.first { $0["scheduled_at"] as? String == run["scheduled_at"] as? String }
                #expect((before?["ended_at"] as? String ?? "z") <= (run["started_at"] as? String ?? ""), "\(run)")
            }
            let third = try await runs(installation, "third")
            #expect(third.allSatisfy { $0["skip_reason"] as? String == "dependency" }, "\(third)")
        }
    }

    @Test("a daemon that was killed shows its run as interrupted, and makes up for it once")
    func killed() async throws {
        try await TestCluster.withDatabase { target in
            let programs = try await TestCluster.shared.cluster.programs.directory
            let fakes = try FakePrograms(.hangs, programs: programs)
            func configuration(_ programs: String, schedule: String) -> String {
                database(target)
                    + "[jobs.backup]\nkind = \"backup\"\nschedule = \"\(schedule)\"\ndirectory = \"BACKUPS\"\npg_bin = \"\(programs)\"\nretry_delay = \"1s\"\n"
            }
            // Once, at a second that is about to come; the next one is a year away.
            let now = Date(timeIntervalSinceNow: 2)
            let parts = Calendar(identifier: .gregorian).dateComponents(in: TimeZone(identifier: "UTC")!, from: now)
            let schedule = "\(parts.second!) \(parts.minute!) \(parts.hour!) \(parts.day!) \(parts.month!) *"
            let installation = try Installation("timezone = \"UTC\"\n" + configuration(fakes.directory, schedule: schedule))
            let end = try await ForegroundDaemon.with(installation) { daemon in
                let limit = ContinuousClock.now + .seconds(30)
                while try await runs(installation, "backup").isEmpty { try #require(.now < limit) }
                daemon.signal(SIGKILL)
            }
            #expect(end == .signalled(SIGKILL))
            try installation.configure("timezone = \"UTC\"\n" + configuration(programs, schedule: schedule))
            try await ForegroundDaemon.with(installation) { daemon in
                try await daemon.line("failed: interrupted")
                try await daemon.line("backed up to")
            }
            try await ForegroundDaemon.with(installation) { _ in }
            let found = try await runs(installation, "backup")
            #expect(found.map { $0["outcome"] as? String } == ["succeeded", "failed"], "\(found)")
            #expect(found.map { $0["trigger"] as? String } == ["retry", "schedule"])
            #expect(found.last?["error_code"] as? String == "interrupted")
            #expect(Set(found.map { $0["scheduled_at"] as? String }).count == 1)
            let files = try FileManager.default.contentsOfDirectory(atPath: installation.backups)
            #expect(files.count == 2, "\(files)")
        }
    }

    @Test("a run that a stop cut off leaves no file and is made up for at the next start")
    func stopped() async throws {
        try await TestCluster.withDatabase { target in
            let programs = try await TestCluster.shared.cluster.programs.directory
            let fakes = try FakePrograms(.hangs, programs: programs)
            func configuration(_ programs: String) -> String {
                database(target)
                    + "[jobs.backup]\nkind = \"backup\"\nschedule = \"*/3 * * * * *\"\ndirectory = \"BACKUPS\"\npg_bin = \"\(programs)\"\n"
            }
            let installation = try Installation(configuration(fakes.directory))
            let end = try await ForegroundDaemon.with(installation) { daemon in
                let limit = ContinuousClock.now + .seconds(30)
                while try await runs(installation, "backup").isEmpty { try #require(.now < limit) }
            }
            #expect(end == .exited(0))
            #expect(try FileManager.default.contentsOfDirectory(atPath: installation.backups) == [])
            let cut = try #require(
                try await runs(installation, "backup").first { $0["outcome"] as? String == "cancelled" })
            try installation.configure(configuration(programs))
            try await ForegroundDaemon.with(installation) { daemon in try await daemon.line("backed up to") }
            let again = try await runs(installation, "backup").filter {
                $0["scheduled_at"] as? String == cut["scheduled_at"] as? String
            }
            // Unless a later fire was skipped while the first run went on; then that one stands for the night.
            let last = try await runs(installation, "backup").contains { $0["outcome"] as? String == "succeeded" }
            #expect(again.count >= 1 && last)
        }
    }

    @Test("a history that is damaged deep inside is put aside, and a new one begun")
    func damaged() async throws {
        try await TestCluster.withDatabase { target in
            let installation = try Installation(database(target) + sizes("rare", "@daily") + sizes("often"))
            #expect(try await installation.run("run", "rare").status == 0)
            let path = "\(installation.state)/history.db"
            // Who closes it last brings all of it into the one file.
            try History(path: path).abandon()
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
            // The first pages are what is looked at when the file is opened.
            let whole = 4 * 4096
            let length = Int(try file.seekToEnd())
            try #require(length > whole)
            try file.seek(toOffset: UInt64(whole))
            try file.write(contentsOf: Data(repeating: 0xAA, count: length - whole))
            try file.close()
            try await ForegroundDaemon.with(installation) { daemon in
                let line = try await daemon.line("the history was damaged")
                #expect(line.contains("\(path).damaged-"), "\(line)")
                try await daemon.line("often: measured")
            }
            let left = try FileManager.default.contentsOfDirectory(atPath: installation.state)
            #expect(left.contains { $0.hasPrefix("history.db.damaged-") }, "\(left)")
        }
    }

    @Test("a second daemon on the same state directory says so and ends with 75")
    func second() async throws {
        try await TestCluster.withDatabase { target in
            let installation = try Installation(database(target) + sizes("rare", "@daily"))
            try await ForegroundDaemon.with(installation) { _ in
                let other = try await installation.run("daemon")
                #expect(other.status == 75, "\(other)")
                #expect(other.errors.contains("another daemon works in \(installation.state)"), "\(other)")
            }
        }
    }

    @Test("a reload with a broken file is refused and told; a good one says what it changes")
    func reload() async throws {
        try await TestCluster.withDatabase { target in
            let installation = try Installation(database(target) + sizes("rare", "@daily"))
            try await ForegroundDaemon.with(installation) { daemon in
                try installation.configure(database(target) + sizes("rare", "@dayly"))
                daemon.signal(SIGHUP)
                let reason = try await daemon.line("jobs.rare.schedule")
                #expect(reason.contains("pgcaretaker.toml:6"), "\(reason)")
                try await daemon.line("the new configuration is refused; the old one stays in force")
                try installation.configure(database(target) + sizes("rare", "@hourly") + sizes("often"))
                daemon.signal(SIGHUP)
                let change = try await daemon.line("configuration reloaded")
                #expect(change.contains("added often") && change.contains("changed jobs.rare.schedule"), "\(change)")
                try await daemon.line("often: measured")
            }
        }
    }

    @Test("why tells what became of a fire, of one that is to come, and of an instant that none is at")
    func why() async throws {
        try await TestCluster.withDatabase { target in
            let installation = try Installation("timezone = \"UTC\"\n" + database(target) + sizes("often", "*/2 * * * * *"))
            try await ForegroundDaemon.with(installation) { daemon in try await daemon.line("often: measured") }
            let run = try #require(try await runs(installation, "often").last)
            let fire = try #require(run["scheduled_at"] as? String)
            let answer = try await installation.run("why", "often", fire)
            #expect(
                answer.status == 0 && answer.output.contains("ran at") && answer.output.contains("and succeeded in"), "\(answer)")
            let json = try await installation.run("why", "often", fire, "--json").objects()
            #expect(json.map { $0["state"] as? String } == ["succeeded"])
            #expect(
                Set(json[0].keys) == ["job", "database", "instant", "due", "state", "reason", "sentence", "runs"], "\(json)")
            let never = try await installation.run("why", "often", "2026-01-01T00:00:01Z")
            #expect(
                never.output.contains(
                    "not scheduled then; the fires around it are 2026-01-01 00:00:00 and 2026-01-01 00:00:02"), "\(never)")
            let before = try await installation.run("why", "often", "2026-01-01 00:00")
            #expect(before.output.contains("is known only since"), "\(before)")
            let later = try await installation.run("why", "often", "2100-01-01T00:00:00Z")
            #expect(later.output.contains("still to come"), "\(later)")
            #expect(try await installation.run("why", "often", "yesterday").status == 64)
        }
    }

    @Test("simulate plays the configuration and shows who waits for whom")
    func simulate() async throws {
        let installation = try Installation(
            """
            timezone = "UTC"
            [database]
            url = "postgresql:///x"
            [jobs.nightly]
            kind = "backup"
            schedule = "0 2 * * *"
            directory = "BACKUPS"
            group = "heavy"
            \(sizes("sizes", "0 2 * * *", "group = \"heavy\""))
            """)
        let answer = try await installation.run("simulate", "--from", "2026-01-01T00:00:00Z", "--days", "3")
        #expect(answer.status == 0 && answer.output.contains("6 runs"), "\(answer)")
        #expect(answer.output.contains("longest time without a finished nightly of main: 1 d"), "\(answer)")
        let value = try #require(
            try await installation.run("simulate", "--from", "2026-01-01T00:00:00Z", "--days", "3", "--json").json()
                as? [String: Any])
        #expect((value["runs"] as? [Any])?.count == 6)
        #expect(
            Set(value.keys) == ["from", "through", "complete", "runs", "delayed", "cut_off", "skipped", "backup_gaps"])
    }
}
