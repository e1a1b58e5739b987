import Foundation
import Postgres
import TestSupport
import Testing

@Suite("pgcaretaker check")
struct CheckCommandTests {
    func configuration(_ target: ConnectionTarget, _ jobs: String) -> String {
        "[database]\nurl = \(target.tomlURL)\n\(jobs)"
    }

    let retention = """
        [jobs.cleanup]
        kind = "retention"
        schedule = "0 2 * * 0"
        table = "activities"
        column = "createdAt"
        keep = "90d"

        """

    @Test("says what is configured and ends with 0 when all is well")
    func well() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { try await SchoolERP.create(in: $0) }
            let installation = try Installation(configuration(target, retention))
            let answer = try await installation.run("check")
            #expect(answer.status == 0, "\(answer)")
            #expect(answer.errors == "")
            #expect(answer.output.contains("valid, 1 job"))
            let quiet = try await installation.run("check", "--quiet")
            #expect(quiet.status == 0 && quiet.output == "" && quiet.errors == "", "\(quiet)")
            let json = try await installation.run("check", "--json")
            #expect(try json.objects().isEmpty)
        }
    }

    @Test("tells every error of the files with file, line, key and hint, and ends with 78")
    func broken() async throws {
        let installation = try Installation(
            "timezne = \"UTC\"\n[database]\nurl = \"postgresql:///x\"\n[jobs.a]\nkind = \"bakcup\"\n")
        let answer = try await installation.run("check", "--offline")
        #expect(answer.status == 78, "\(answer)")
        #expect(answer.output == "")
        let lines = answer.errors.split(separator: "\n")
        #expect(lines.count == 2, "\(answer)")
        #expect(answer.errors.contains("\(installation.configuration):2: timezne: unknown key"), "\(answer)")
        #expect(answer.errors.contains("\(installation.configuration):6: jobs.a.kind: "), "\(answer)")
        let json = try await installation.run("check", "--offline", "--json")
        #expect(json.status == 78)
        let found = try json.objects()
        #expect(found.map { $0["line"] as? Int } == [2, 6])
        #expect(found.map { $0["severity"] as? String } == ["error", "error"])
        #expect(Set(found[0].keys) == ["file", "line", "key", "job", "database", "severity", "message", "hint"])
    }

    @Test("names the table, the column or the type that does not fit, and ends with 78")
    func misfits() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { try await SchoolERP.create(in: $0) }
            for (jobs, words) in [
                (retention.replacing("\"activities\"", with: "\"activitees\""), "there is no table activitees"),
                (retention.replacing("createdAt", with: "createdat"), "the table activities has no column \"createdat\""),
                (retention.replacing("createdAt", with: "module"), "the column \"module\" is of type text"),
            ] {
                let installation = try Installation(configuration(target, jobs))
                let answer = try await installation.run("check")
                #expect(answer.status == 78, "\(answer)")
                #expect(answer.errors.contains("cleanup on main: \(words)"), "\(answer)")
                #expect(answer.errors.contains("HINT: "))
                // Without the database only the file is looked at.
                #expect(try await installation.run("check", "--offline").status == 0)
            }
        }
    }

    @Test("gives the GRANT for a right that is missing, and ends with 77")
    func rights() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await SchoolERP.create(in: connection)
                try await connection.simple("ALTER TABLE activities OWNER TO pg_database_owner")
            }
            let reader = "reader_\(UUID().uuidString.prefix(8).lowercased())"
            try await TestCluster.shared.administrate("CREATE ROLE \(reader) LOGIN IN ROLE pg_read_all_data")
            let installation = try Installation(configuration(target.with(user: reader, password: nil), retention))
            let answer = try await installation.run("check")
            try await TestCluster.shared.administrate("DROP ROLE \(reader)")
            #expect(answer.status == 77, "\(answer)")
            #expect(answer.errors.contains("the role \(reader) lacks DELETE on public.activities"), "\(answer)")
            #expect(answer.errors.contains(#"HINT: GRANT DELETE ON "public"."activities" TO "\#(reader)";"#), "\(answer)")
        }
    }

    @Test("ends with 69 when there is no database, and says which one")
    func unreachable() async throws {
        let installation = try Installation(
            "[database]\nurl = \"postgresql://nobody@127.0.0.1:1/school?connect_timeout=2\"\n\(retention)")
        let answer = try await installation.run("check")
        #expect(answer.status == 69, "\(answer)")
        #expect(answer.errors.contains("school at 127.0.0.1:1 cannot be reached"), "\(answer)")
    }

    @Test("a file that is not there is one line and a status, not a stack trace")
    func missingFile() async throws {
        let installation = try Installation("")
        try FileManager.default.removeItem(atPath: installation.configuration)
        for command in [["check"], ["jobs"], ["history"], ["tables"], ["run", "x"], ["backups", "list"], ["daemon"], ["next"]] {
            let answer = try await installation.run(command)
            #expect(answer.status == 78, "\(command): \(answer)")
            #expect(answer.errors.contains("No such file or directory"), "\(command): \(answer)")
            #expect(answer.errors.split(separator: "\n").count <= 2, "\(command): \(answer)")
        }
    }

    @Test(
        "a wrong command line ends with 64",
        arguments: [["chekc"], ["run"], ["next", "--count", "0"], ["history", "--limit", "x"], ["backups", "restore"]])
    func usage(arguments: [String]) async throws {
        let installation = try Installation("")
        let answer = try await installation.run(arguments)
        #expect(answer.status == 64, "\(answer)")
        #expect(answer.output == "", "\(answer)")
    }
}
