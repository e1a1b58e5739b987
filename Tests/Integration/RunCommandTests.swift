import Command
import Foundation
import Postgres
import TestSupport
import Testing

/// A configuration with the four jobs on a School ERP database.
func schoolConfiguration(_ target: ConnectionTarget, programs: String) -> String {
    """
    timezone = "Asia/Kolkata"
    [database]
    url = \(target.tomlURL)
    [jobs.activity-cleanup]
    kind = "retention"
    schedule = "0 2 * * 0"
    table = "activities"
    column = "createdAt"
    keep = "90d"
    [jobs.nightly-backup]
    kind = "backup"
    schedule = "0 2 * * *"
    directory = "BACKUPS"
    pg_bin = "\(programs)"
    [jobs.reset-token-purge]
    kind = "token-purge"
    schedule = "*/15 * * * *"
    table = "users"
    token = "passwordResetToken"
    expires = "passwordResetExpires"
    [jobs.table-sizes]
    kind = "table-sizes"
    schedule = "0 * * * *"

    """
}

@Suite("pgcaretaker run, history, jobs and tables")
struct RunCommandTests {
    /// Runs a body with an installation on a School ERP database of a role that is no superuser.
    func withSchool(
        activities: Int = 1000, users: Int = 100, _ body: (Installation, ConnectionTarget) async throws -> Void
    ) async throws {
        let programs = try await TestCluster.shared.cluster.programs.directory
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await SchoolERP.create(in: connection)
                try await SchoolERP.fill(connection, activities: activities, users: users)
            }
            try await body(try Installation(schoolConfiguration(target, programs: programs)), target)
        }
    }

    func count(_ target: ConnectionTarget, _ sql: String) async throws -> Int {
        try await PostgresConnection.with(target) { Int(try await $0.query(sql).scalar ?? "") ?? -1 }
    }

    @Test("each job does its work, says so in a line, and is in the history", arguments: ["UTC", "America/New_York"])
    func jobs(zone: String) async throws {
        try await withSchool { installation, target in
            let environment = ["TZ": zone]
            let old = #"SELECT count(*) FROM activities WHERE "createdAt" < (now() AT TIME ZONE 'UTC') - interval '90 days'"#
            let dry = try await installation.run("run", "activity-cleanup", "--dry-run", environment: environment)
            #expect(dry.status == 0, "\(dry)")
            #expect(dry.output.contains("would delete 500 rows of activities"), "\(dry)")
            #expect(dry.output.contains("by the index activities_createdAt_idx"), "\(dry)")
            #expect(try await count(target, old) == 500)
            let cleanup = try await installation.run("run", "activity-cleanup", environment: environment)
            #expect(cleanup.status == 0 && cleanup.errors == "", "\(cleanup)")
            #expect(cleanup.output.hasPrefix("activity-cleanup: deleted 500 rows of activities older than "), "\(cleanup)")
            #expect(try await count(target, old) == 0)
            #expect(try await count(target, "SELECT count(*) FROM activities") == 500)

            let purge = try await installation.run("run", "reset-token-purge", environment: environment)
            #expect(purge.output.hasPrefix("reset-token-purge: cleared 16 expired tokens of users"), "\(purge)")
            #expect(try await count(target, #"SELECT count(*) FROM users WHERE "passwordResetToken" IS NOT NULL"#) == 4)

            let backup = try await installation.run("run", "nightly-backup", environment: environment)
            #expect(backup.status == 0 && backup.errors == "", "\(backup)")
            let sizes = try await installation.run("run", "table-sizes", environment: environment)
            #expect(sizes.output.hasPrefix("table-sizes: measured 2 tables"), "\(sizes)")

            let history = try await installation.run("history", "--json", environment: environment)
            let runs = try history.objects()
            // Newest first; the dry run changed nothing and is not there.
            #expect(
                runs.map { $0["job"] as? String } == ["table-sizes", "nightly-backup", "reset-token-purge", "activity-cleanup"])
            #expect(runs.allSatisfy { $0["outcome"] as? String == "succeeded" && $0["trigger"] as? String == "manual" })
            #expect((runs[3]["measures"] as? [String: Any])?["rows_deleted"] as? Int == 500)
            #expect(runs[1]["path"] as? String != nil)
            #expect(
                Set(runs[0].keys) == [
                    "run_id", "job", "kind", "database", "trigger", "attempt", "scheduled_at", "started_at", "ended_at", "duration",
                    "outcome", "skip_reason", "passed_fires", "message", "error_code", "sqlstate", "hint", "path", "measures",
                    "warnings",
                ])
            let one = try await installation.run("history", "--job", "table-sizes", "--limit", "1", "--json")
            #expect(try one.objects().count == 1)
            let unknown = try await installation.run("history", "--job", "table-size", "--json")
            #expect(unknown.status == 64 && unknown.errors.contains("Did you mean table-sizes?"), "\(unknown)")
        }
    }

    @Test("the lists are tables for people and arrays of objects for programs")
    func lists() async throws {
        try await withSchool { installation, target in
            let before = try await installation.run("jobs", "--json")
            #expect(try before.objects().map { $0["last_run"] is NSNull } == [true, true, true, true], "\(before)")
            for command in [["history"], ["tables"], ["backups", "list"]] {
                let empty = try await installation.run(command + ["--json"])
                #expect(empty.status == 0, "\(empty)")
                #expect(try empty.objects().isEmpty)
                #expect(try await installation.run(command).output.hasPrefix("no "))
            }
            #expect(try await installation.run("run", "table-sizes").status == 0)

            let jobs = try await installation.run("jobs")
            #expect(jobs.output.split(separator: "\n").count == 5, "\(jobs)")
            #expect(jobs.output.contains("0 2 * * 0 Asia/Kolkata"), "\(jobs)")
            let objects = try await installation.run("jobs", "--json").objects()
            let job = try #require(objects.first { $0["job"] as? String == "table-sizes" })
            #expect(
                Set(job.keys) == [
                    "job", "kind", "database", "enabled", "paused", "paused_until", "pause_reason", "schedule", "timezone", "class",
                    "next_fire", "last_run",
                ])
            #expect((job["last_run"] as? [String: Any])?["outcome"] as? String == "succeeded")
            #expect((job["next_fire"] as? String)?.hasSuffix(":30:00Z") == true, "\(job)")

            let tables = try await installation.run("tables", "--json").objects()
            #expect(tables.map { $0["table"] as? String } == ["activities", "users"])
            let total = try await count(target, "SELECT pg_total_relation_size('activities')")
            #expect(tables.first?["total_bytes"] as? Int == total)
            #expect(tables.first?["change_day_bytes"] is NSNull)
            #expect(try await installation.run("tables").output.contains("activities"))
        }
    }

    @Test("next gives the fires in the zone's own offset, strictly after an instant")
    func next() async throws {
        let installation = try Installation("[database]\nurl = \"postgresql:///x\"\n")
        let answer = try await installation.run(
            "next", "--schedule", "30 2 * * *", "--timezone", "America/New_York", "--after", "2026-03-07T12:00:00Z", "--count", "2",
            "--json")
        let value = try #require(try answer.json() as? [String: Any], "\(answer)")
        #expect(value["schedule"] as? String == "30 2 * * *")
        #expect(value["timezone"] as? String == "America/New_York")
        #expect(value["fires"] as? [String] == ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"])
        #expect(Set(value.keys) == ["schedule", "timezone", "fires"])
        let bad = try await installation.run("next", "--schedule", "0 25 * * *")
        #expect(bad.status == 64 || bad.status == 78, "\(bad)")
        #expect(bad.errors.contains("25"), "\(bad)")
    }

    @Test("a job that fails is told with its reason and a hint, and ends with 1")
    func failure() async throws {
        try await withSchool { installation, target in
            try await PostgresConnection.with(target) { _ = try await $0.simple("DROP TABLE activities") }
            let answer = try await installation.run("run", "activity-cleanup")
            #expect(answer.status == 1, "\(answer)")
            #expect(answer.output == "")
            #expect(answer.errors.contains("activity-cleanup failed: there is no table activities"), "\(answer)")
            #expect(answer.errors.contains("HINT: "), "\(answer)")
            let run = try await installation.run("history", "--json").objects().first
            #expect(run?["outcome"] as? String == "failed")
            #expect(run?["error_code"] as? String == "relation-missing")
        }
    }

    @Test("a database that cannot be reached ends a run with 69")
    func unreachable() async throws {
        let installation = try Installation(
            "[database]\nurl = \"postgresql://nobody@127.0.0.1:1/x\"\n[jobs.sizes]\nkind = \"table-sizes\"\nschedule = \"@daily\"\n"
        )
        let answer = try await installation.run("run", "sizes")
        #expect(answer.status == 69, "\(answer)")
        #expect(try await installation.run("history", "--json").objects().first?["error_code"] as? String == "database-unreachable")
    }

    @Test("a job that does not exist is a wrong command line, with the nearest name")
    func unknown() async throws {
        let installation = try Installation(
            "[database]\nurl = \"postgresql:///x\"\n[jobs.sizes]\nkind = \"table-sizes\"\nschedule = \"@daily\"\n")
        let answer = try await installation.run("run", "size")
        #expect(answer.status == 64, "\(answer)")
        #expect(answer.errors.contains("there is no job \"size\"") && answer.errors.contains("sizes"), "\(answer)")
    }

    @Test("a job that runs already is not started a second time: 75")
    func locked() async throws {
        try await withSchool { installation, target in
            let programs = try await TestCluster.shared.cluster.programs.directory
            let fakes = try FakePrograms(.hangs, programs: programs)
            try installation.configure(schoolConfiguration(target, programs: fakes.directory))
            let first = try installation.command(["run", "nightly-backup"])
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    _ = try? await Pipeline([first]).run(output: .discard)
                }
                // It is in the history before it does anything.
                let limit = ContinuousClock.now + .seconds(30)
                while try await installation.run("history", "--json").objects().first?["outcome"] as? NSNull == nil {
                    try #require(.now < limit, "the run does not begin")
                }
                let answer = try await installation.run("run", "nightly-backup")
                #expect(answer.status == 75, "\(answer)")
                #expect(answer.errors.contains("was not run"), "\(answer)")
                group.cancelAll()
            }
            // What was ended left nothing: no file, and the lock is free again.
            #expect(try FileManager.default.contentsOfDirectory(atPath: installation.backups) == [])
            let last = try await installation.run("history", "--json").objects().last
            #expect(last?["outcome"] as? String == "cancelled", "\(String(describing: last))")
        }
    }

    @Test("a job on several databases is a run of its own on each, and one that fails does not keep the others from theirs")
    func several() async throws {
        try await TestCluster.withDatabase { target in
            let installation = try Installation(
                """
                [databases.absent]
                url = "postgresql://nobody@127.0.0.1:1/x"
                [databases.school]
                url = \(target.tomlURL)
                [jobs.sizes]
                kind = "table-sizes"
                schedule = "@daily"
                databases = "*"

                """)
            let answer = try await installation.run("run", "sizes")
            #expect(answer.status == 69, "\(answer)")
            let runs = try await installation.run("history", "--json").objects()
            #expect(runs.map { $0["database"] as? String } == ["school", "absent"])
            #expect(runs.map { $0["outcome"] as? String } == ["succeeded", "failed"])
            #expect(try await installation.run("run", "sizes", "--database", "school").status == 0)
        }
    }
}
