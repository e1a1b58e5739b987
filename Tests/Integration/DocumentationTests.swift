import Foundation
import Postgres
import TestSupport
import Testing

/// README.md and CONTRIBUTING.md against what is there.
@Suite("The documents")
struct DocumentationTests {
    static let repository = #filePath.components(separatedBy: "/Tests/")[0]

    func text(_ name: String) throws -> String { try String(contentsOfFile: "\(Self.repository)/\(name)", encoding: .utf8) }

    func folders(_ name: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(Self.repository)/\(name)").filter { !$0.hasPrefix(".") }.sorted()
    }

    @Test("CONTRIBUTING.md says what every folder of Sources and Tests is for")
    func folders() throws {
        let text = try text("CONTRIBUTING.md")
        for folder in try folders("Sources") { #expect(text.contains("`\(folder)`"), "Sources/\(folder)") }
        for folder in try folders("Tests") { #expect(text.contains("`Tests/\(folder)`"), "Tests/\(folder)") }
        #expect(text.contains("`Benchmarks`"))
    }

    @Test("the message catalogue and the unit tell people to type commands that there are")
    func catalogue() async throws {
        let installation = try Installation("[database]\nurl = \"postgresql:///x\"\n")
        var checked: Set<String> = []
        for file in ["systemd/pgcaretaker.catalog", "systemd/pgcaretaker.service", "etc/pgcaretaker.toml", "etc/grants.sql"] {
            let lines = try text(file).split(separator: "\n")
            for match in lines.compactMap({ $0.firstMatch(of: #/(?:^    |`|=/usr/bin/)pgcaretaker ([a-z]+)( [a-z]+)?/#) }) {
                let words =
                    [String(match.1)]
                    + (match.1 == "backups" ? match.2.map { [$0.trimmingCharacters(in: .whitespaces)] } ?? [] : [])
                guard checked.insert(words.joined(separator: " ")).inserted else { continue }
                let answer = try await installation.run(words + ["--help"])
                // Of a command that there is not, help is that of the command before it.
                #expect(
                    answer.status == 0 && answer.output.contains("USAGE: pgcaretaker \(words.joined(separator: " "))"), "\(words)")
            }
        }
        #expect(checked.count >= 8, "\(checked)")
    }

    @Test("README.md names every command and every exit status")
    func commands() async throws {
        let readme = try text("README.md")
        let installation = try Installation("[database]\nurl = \"postgresql:///x\"\n")
        let help = try await installation.run("--help")
        let list = try #require(help.output.components(separatedBy: "SUBCOMMANDS:").dropFirst().first)
        let names = list.split(separator: "\n").compactMap { $0.firstMatch(of: #/^  ([a-z]+)  /#).map { String($0.1) } }
        #expect(names.count >= 13, "\(names)")
        for name in names where name != "daemon" && name != "try" {
            #expect(readme.contains("pgcaretaker \(name)") || readme.contains("`\(name) "), "\(name)")
        }
        for status in ["0 done", "1 the", "64 ", "65 ", "69 ", "74 ", "75 ", "77 ", "78 "] { #expect(readme.contains(status)) }
    }

    @Test("README.md tells the keys of every command's JSON, in their order")
    func keys() async throws {
        let readme = try text("README.md")
        /// The keys in the second column of a command's row; what stands in brackets explains.
        func told(_ command: String) throws -> [String] {
            let row = readme.split(separator: "\n").first {
                $0.hasPrefix("| ") && $0.split(separator: "|")[0].contains("`\(command)`")
            }
            let keys = try #require(row, "\(command)").split(separator: "|")[1].replacing(#/\([^)]*\)/#, with: "")
            return keys.split(separator: ";")[0].matches(of: #/`([a-z0-9_]+)`/#).map { String($0.1) }
        }
        /// The keys of the outermost object or of the first object in a list, in the order in which they are printed.
        func printed(_ answer: Answer) throws -> [String] {
            let indent = answer.output.hasPrefix("[") ? "    " : "  "
            let lines = answer.output.split(separator: "\n").dropFirst(answer.output.hasPrefix("[") ? 2 : 1)
            let end = answer.output.hasPrefix("[") ? "  }" : "}"
            return lines.prefix { !$0.hasPrefix(end) }.compactMap { line in
                guard line.hasPrefix("\(indent)\"") else { return nil }
                return line.dropFirst(indent.count + 1).split(separator: "\"").first.map(String.init)
            }
        }
        let programs = try await TestCluster.shared.cluster.programs.directory
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { try await SchoolERP.create(in: $0) }
            let installation = try Installation(schoolConfiguration(target, programs: programs))
            for job in ["nightly-backup", "table-sizes"] { #expect(try await installation.run("run", job).status == 0) }
            for (name, arguments) in [
                ("jobs", ["jobs"]), ("history", ["history"]), ("run", ["run", "reset-token-purge"]), ("tables", ["tables"]),
                ("next", ["next", "table-sizes"]), ("why", ["why", "table-sizes", "2026-01-01T00:00:00Z"]),
                ("next --transitions", ["next", "--transitions", "--schedule", "@daily", "--timezone", "Europe/London"]),
                ("simulate", ["simulate"]), ("backups list", ["backups", "list"]), ("backups verify", ["backups", "verify"]),
                ("backups prune", ["backups", "prune", "--dry-run"]),
            ] {
                let answer = try await installation.run(arguments + ["--json"])
                #expect(answer.status == 0, "\(answer)")
                #expect(try told(name) == printed(answer), "\(name)")
            }
            try installation.configure("nonsense = 1\n")
            let check = try await installation.run("check", "--json")
            #expect(try told("check") == printed(check))
        }
    }
}
