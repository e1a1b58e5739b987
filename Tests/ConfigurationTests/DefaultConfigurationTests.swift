import Configuration
import Foundation
import Jobs
import TestSupport
import Testing

/// What people read when they look for an option: `etc/pgcaretaker.toml` must have all of them, and nothing else.
@Suite("The default configuration")
struct DefaultConfigurationTests {
    static let path = "\(#filePath.components(separatedBy: "/Tests/")[0])/etc/pgcaretaker.toml"

    func lines() throws -> [Substring] {
        try String(contentsOfFile: Self.path, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The key that a line gives, commented out or not.
    func key(of line: Substring) -> String? {
        line.firstMatch(of: #/^#? *([a-z_]+)( *=|  )/#).map { String($0.1) }
    }

    @Test("is valid, and without a warning")
    func valid() throws {
        let configuration = try ConfigurationLoader(path: Self.path, environment: [:]).load()
        #expect(configuration.jobs.map(\.name) == ["activity-cleanup", "nightly-backup", "reset-token-purge", "table-sizes"])
        #expect(configuration.warnings.isEmpty)
        #expect(Set(configuration.jobs.map(\.kind)) == Set(JobKinds.all.map { $0.kind }))
    }

    @Test("has every option, each where it belongs")
    func complete() throws {
        let lines = try lines()
        func section(_ begins: (Substring) -> Bool) throws -> ArraySlice<Substring> {
            let found = lines.firstIndex(where: begins)
            let start = try #require(found)
            let end = lines[(start + 1)...].firstIndex { $0.hasPrefix("[") || $0.hasPrefix("# Every job has") } ?? lines.endIndex
            return lines[start..<end]
        }
        func expect(_ options: [OptionSpecification], in section: ArraySlice<Substring>, _ place: String) {
            let keys = Set(section.compactMap { key(of: $0) })
            for option in options { #expect(keys.contains(option.name), "\(option.name) of \(place)") }
        }
        expect(ConfigurationSchema.root, in: try section { $0.hasPrefix("# pgcaretaker:") }, "the top")
        expect(ConfigurationSchema.database, in: try section { $0 == "[database]" }, "a database")
        // Both of these are in every job's own section.
        let common = ConfigurationSchema.job.filter { $0.name != "kind" && $0.name != "schedule" }
        expect(common, in: try section { $0.hasPrefix("# Every job has") }, "every job")
        for kind in JobKinds.all {
            let place = try #require(
                lines.firstIndex { $0.wholeMatch(of: #/kind +=.*/#) != nil && $0.hasSuffix("\"\(kind.kind)\"") })
            let header = try #require(lines[..<place].lastIndex { $0.hasPrefix("[jobs.") })
            expect(kind.options, in: try section { $0 == lines[header] }, kind.kind)
        }
    }

    @Test("stays valid whatever is taken out of its comment")
    func uncommented() throws {
        let folder = try TemporaryFolder("config")
        let env = try folder.write("", to: ".env")
        let text = try lines().map { line in
            line.firstMatch(of: #/^#[a-z_]+ =/#) == nil ? String(line) : String(line.dropFirst())
        }.joined(separator: "\n").replacing("/srv/school-erp/backend/.env", with: env)
        #expect(text.contains("\nwarn_size = ") && text.contains("\nenv_file = "))
        let path = try folder.write(text, to: "pgcaretaker.toml")
        let configuration = try ConfigurationLoader(path: path, environment: [:]).load()
        #expect(configuration.warnings.isEmpty, "\(configuration.warnings)")
    }

    @Test("stays valid with each line of what every job has")
    func common() throws {
        let lines = try lines()
        let start = try #require(lines.firstIndex { $0.hasPrefix("# Every job has") })
        let examples = lines[start...].prefix { $0.hasPrefix("#") }.compactMap { line in
            line.firstMatch(of: #/^#   ([a-z_]+ = (?:"[^"]*"|\[[^\]]*\]|[a-z0-9]+))/#).map { String($0.1) }
        }
        #expect(examples.count >= 12)
        for example in examples {
            let folder = try TemporaryFolder("config")
            let path = try folder.write(
                """
                [databases.a]
                url = "postgresql:///a"
                [databases.b]
                url = "postgresql:///b"
                [databases.NAME]
                url = "postgresql:///c"
                [jobs.nightly-backup]
                kind = "table-sizes"
                schedule = "@daily"
                databases = "*"
                [jobs.x]
                kind = "table-sizes"
                schedule = "0 2 * * *"
                \(example.hasPrefix("database") ? "" : "database = \"a\"")
                \(example)
                """, to: "pgcaretaker.toml")
            #expect(throws: Never.self, "\(example)") { try ConfigurationLoader(path: path, environment: [:]).load() }
        }
    }
}
