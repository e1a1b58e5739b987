import Command
import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct ChildProcessTests {
    /// Every printable character of ASCII, and some that are none.
    private static let everyCharacter =
        String(String.UnicodeScalarView((0x20...0x7E).compactMap { Unicode.Scalar(UInt32($0)) })) + "äß☃\t\\"

    @Test(
        "a password gets through libpq, pg_dump and psql, whatever its characters",
        arguments: [everyCharacter, ":\\:", "\\", "'\"$`", " blanks ", "a\nb"])
    func passwords(password: String) async throws {
        let cluster = try await TestCluster.shared
        try await cluster.withDatabase(password: password) { socket in
            let target = cluster.overLoopback(socket)
            try await PostgresConnection.with(target) { try await $0.simple("CREATE TABLE proof (i int)") }
            let folder = try TemporaryFolder("passfile")
            let passfile = try PrivatePassfile(for: target, in: folder.path)
            #expect((passfile == nil) == password.contains("\n"))
            let environment = target.childEnvironment(passfile: passfile?.path)
            #expect(environment["PGPASSWORD"] == (passfile == nil ? password : nil))
            let dump = try await run("pg_dump", ["--schema-only"], environment)
            #expect(dump.contains("CREATE TABLE public.proof"))
            let asked = try await run(
                "psql", ["-XAtc", "SELECT current_user", "--dbname", target.connectionString], environment)
            #expect(asked == "\(socket.user ?? "")\n")
            #expect(!target.connectionString.contains(password))
        }
    }

    @Test("a password file is for us alone, takes nobody's place and goes when it is let go of")
    func passfile() throws {
        let folder = try TemporaryFolder("passfile")
        let target = try ConnectionTarget(url: "postgresql://app:a%3Ab%5Cc@h/d")
        var file = try PrivatePassfile(for: target, in: folder.path)
        let path = try #require(file?.path)
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "*:*:*:*:a\\:b\\\\c\n")
        #expect(target.passfileContents.map { "\($0)" } == "<secret>")
        file?.remove()
        #expect(!FileManager.default.fileExists(atPath: path))
        file = try PrivatePassfile(for: target, in: folder.path + "/")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 1)
        file = nil
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        #expect(throws: PrivatePassfileError.self) { try PrivatePassfile(for: target, in: folder.path("none")) }
        #expect(try PrivatePassfile(for: ConnectionTarget(url: "postgresql:///d"), in: folder.path) == nil)
    }

    @Test("the environment of a child has all that libpq needs and nothing else")
    func environment() throws {
        let target = try ConnectionTarget(
            url: "postgresql://app:geheim@h:5433/erp?schema=My%20S&sslmode=require&application_name=x&connect_timeout=3"
                + "&options=-c%20work_mem%3D1MB")
        let environment = target.childEnvironment(
            passfile: "/run/p/pgpass",
            inheriting: [
                "HOME": "/home/x", "PGSERVICEFILE": "/s", "PGSSLCERT": "/c", "PGPASSWORD": "geheim", "PATH": "/bin",
                "DATABASE_URL": "geheim", "PGHOST": "other", "PGPASSFILE": "/theirs", "PGDATA": "/d", "LD_PRELOAD": "x",
            ])
        #expect(
            environment == [
                "HOME": "/home/x", "PGSERVICEFILE": "/s", "PGSSLCERT": "/c", "PGHOST": "h", "PGPORT": "5433",
                "PGUSER": "app", "PGDATABASE": "erp", "PGSSLMODE": "require", "PGAPPNAME": "x",
                "PGCONNECT_TIMEOUT": "3", "PGPASSFILE": "/run/p/pgpass",
                "PGOPTIONS": "-c work_mem=1MB -c search_path=\"My\\ S\"",
            ])
        let trusting = try ConnectionTarget(url: "service=erp").childEnvironment(
            passfile: nil, inheriting: ["PGPASSWORD": "theirs", "PGPASSFILE": "/theirs"])
        #expect(trusting == ["PGSERVICE": "erp", "PGPASSWORD": "theirs", "PGPASSFILE": "/theirs"])
        let pooled = try ConnectionTarget(url: "postgresql:///d?schema=s&pgbouncer=true").childEnvironment(
            passfile: nil)
        #expect(pooled == ["PGDATABASE": "d"])
    }

    @Test("what a URL says goes before a service file, for us and for children")
    func service() async throws {
        try await TestCluster.withDatabase { target in
            let folder = try TemporaryFolder("service")
            let file = try folder.write(
                """
                [erp]
                host=\(target.keywords["host"] ?? "")
                port=\(target.keywords["port"] ?? "")
                dbname=postgres
                user=\(target.user ?? "")
                """, to: "pg_service.conf")
            let override = try ConnectionTarget(url: "service=erp dbname=\(target.database ?? "")")
            let environment = override.childEnvironment(passfile: nil, inheriting: ["PGSERVICEFILE": file])
            let query = "SELECT current_database(), current_schema()"
            let asked = try await run("psql", ["-XAtc", query, "--dbname", override.connectionString], environment)
            #expect(asked == "\(target.database ?? "")|public\n")
            let odd = ConnectionTarget(
                keywords: target.keywords.merging(["application_name": "it's a \\ \"name\""]) { $1 },
                schema: "a \\ \"b\"")
            let names = try await run(
                "psql",
                [
                    "-XAtc", "SELECT current_setting('search_path'), current_setting('application_name')", "-d",
                    odd.connectionString,
                ],
                odd.childEnvironment(passfile: nil))
            #expect(names == "\"a \\ \"\"b\"\"\"|it's a \\ \"name\"\n")
        }
    }

    private func run(_ name: String, _ arguments: [String], _ environment: [String: String]) async throws -> String {
        let programs = try await TestCluster.shared.cluster.programs
        let executable = ExecutableSearch(directories: [programs.directory, "/usr/bin"]).find(name)
        let program = Program(
            executable: try #require(executable), arguments: arguments,
            environment: environment.merging(["LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"]) { first, _ in first })
        let result = try await Pipeline([program]).run(input: .none, output: .collect(limit: 1 << 20), onErrorLine: nil)
        #expect(result.firstFailure == nil, "\(result.firstFailure?.standardErrorTail ?? "")")
        return String(decoding: result.output, as: UTF8.self)
    }
}
