import Foundation
import Postgres
import TestSupport
import Testing

@Suite("Connections of the configuration")
struct ConnectionTests {
    static let password = #"p4s'"\:/?#[]@!$&()*+,;=%25 ~^{}|<>`-_.ü"#

    let job = "[jobs.sizes]\nkind = \"table-sizes\"\nschedule = \"@daily\"\n"

    func backup(_ programs: String) -> String {
        "[jobs.backup]\nkind = \"backup\"\nschedule = \"@daily\"\ndirectory = \"BACKUPS\"\npg_bin = \"\(programs)\"\n"
    }

    /// The target as an application's URL over TCP, everything but letters and digits encoded.
    func url(_ target: ConnectionTarget, _ parameters: String = "") async throws -> String {
        let port = try await TestCluster.shared.cluster.port
        let secret = target.password?.reveal().addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        return "postgresql://\(target.user ?? ""):\(secret)@127.0.0.1:\(port)/\(target.database ?? "")\(parameters)"
    }

    /// Runs a command that must succeed, and looks for the password in all that it left behind.
    func succeed(_ installation: Installation, _ arguments: String..., environment: [String: String] = [:]) async throws {
        let answer = try await installation.run(arguments, environment: environment)
        #expect(answer.status == 0, "\(answer)")
        let history = try await installation.run("history", "--json")
        for text in [answer.output, answer.errors, history.output] {
            #expect(!text.contains(Self.password) && !text.contains("p4s"), "a password was told")
        }
    }

    @Test("the url of the file, with every special character in the password, reaches jobs and pg_dump")
    func file() async throws {
        let programs = try await TestCluster.shared.cluster.programs.directory
        try await TestCluster.withDatabase(password: Self.password) { target in
            let text = try await "[database]\nurl = \"\(url(target))\"\n"
            let installation = try Installation(text + job + backup(programs))
            try await succeed(installation, "run", "sizes")
            try await succeed(installation, "run", "backup")
        }
    }

    @Test("DATABASE_URL of the environment, with Prisma's parameters")
    func environment() async throws {
        try await TestCluster.withDatabase(password: Self.password) { target in
            let installation = try Installation(job)
            let parameters = "?schema=public&connection_limit=5&pool_timeout=10&sslmode=prefer"
            try await succeed(installation, "run", "sizes", environment: ["DATABASE_URL": url(target, parameters)])
            #expect(try await installation.run("run", "sizes").status == 78)
        }
    }

    @Test("DATABASE_URL of the application's .env, quotes and comments and all")
    func envFile() async throws {
        try await TestCluster.withDatabase(password: Self.password) { target in
            let installation = try Installation("")
            let path = try await installation.write(
                "# the application's\nEMAIL_USER=x\nexport DATABASE_URL=\"\(url(target, "?schema=public"))\" # here\n", to: ".env")
            try installation.configure("env_file = \"\(path)\"\n\(job)")
            try await succeed(installation, "run", "sizes")
        }
    }

    @Test("a systemd credential")
    func credential() async throws {
        try await TestCluster.withDatabase(password: Self.password) { target in
            let installation = try Installation(job)
            try await installation.write(url(target) + "\n", to: "database-url")
            try await succeed(
                installation, "run", "sizes", environment: ["CREDENTIALS_DIRECTORY": installation.folder.path])
        }
    }

    @Test("a service of pg_service.conf, and a password of .pgpass")
    func serviceFile() async throws {
        let programs = try await TestCluster.shared.cluster.programs.directory
        let port = try await TestCluster.shared.cluster.port
        try await TestCluster.withDatabase(password: "simple:p4s\\word") { target in
            let installation = try Installation("[database]\nurl = \"service=school\"\n\(job)\(backup(programs))")
            try installation.write(
                "[school]\nhost=127.0.0.1\nport=\(port)\nuser=\(target.user ?? "")\ndbname=\(target.database ?? "")\n",
                to: ".pg_service.conf")
            try installation.write("127.0.0.1:*:*:\(target.user ?? ""):simple\\:p4s\\\\word\n", to: ".pgpass")
            try await succeed(installation, "run", "sizes")
            try await succeed(installation, "run", "backup")
        }
    }

    @Test("an unknown parameter of the URL is an error that names it and the nearest one, not the password")
    func unknownParameter() async throws {
        let installation = try Installation("[database]\nurl = \"postgresql://u:geheim@h/d?shcema=x\"\n\(job)")
        let answer = try await installation.run("check", "--offline")
        #expect(answer.status == 78)
        #expect(answer.errors.contains("shcema") && answer.errors.contains("schema"), "\(answer)")
        #expect(!answer.errors.contains("geheim"))
    }

    @Test("a wrong password is refused with 77, a database that is not there with 69")
    func refused() async throws {
        try await TestCluster.withDatabase(password: "right") { target in
            let wrong = try await url(target.with(user: target.user ?? "", password: Secret("wrong")))
            let installation = try Installation("[database]\nurl = \"\(wrong)\"\n\(job)")
            let answer = try await installation.run("run", "sizes")
            #expect(answer.status == 77, "\(answer)")
            #expect(answer.errors.contains("password authentication failed"), "\(answer)")
            #expect(!answer.errors.contains("wrong"), "\(answer)")
            let missing = try await url(target.with(database: "nowhere"))
            try installation.configure("[database]\nurl = \"\(missing)\"\n\(job)")
            let other = try await installation.run("check")
            #expect(other.status == 69, "\(other)")
            #expect(other.errors.contains("there is no nowhere at 127.0.0.1"), "\(other)")
        }
    }
}
