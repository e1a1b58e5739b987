import Configuration
import Jobs
import TestSupport
import Testing

@Suite("Jobs that run after others")
struct AfterTests {
    /// What is said of a configuration with these jobs, errors and warnings alike.
    func problems(_ jobs: [(name: String, lines: String)]) throws -> [String] {
        let folder = try TemporaryFolder("after")
        let tables = jobs.map {
            "[jobs.\($0.name)]\nkind = \"table-sizes\"\nschedule = \"@daily\"\n\($0.lines)\n"
        }
        let file = try folder.write(
            "[database]\nurl = \"postgresql:///x\"\n\(tables.joined())", to: "pgcaretaker.toml", mode: 0o600)
        do throws(ConfigurationErrors) {
            return try ConfigurationLoader(path: file, environment: [:]).load().warnings.map(\.description)
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test("one after a job that is there is fine, in a chain, too")
    func chain() throws {
        #expect(try problems([("a", ""), ("b", "after = \"a\""), ("c", "after = \"b\"")]) == [])
    }

    @Test("one after a job that is not there, and a circle, are refused")
    func refused() throws {
        let unknown = try problems([("nightly", ""), ("b", "after = \"nihgtly\"")])
        #expect(unknown.count == 1 && unknown[0].contains("there is no job \"nihgtly\"") && unknown[0].contains("nightly\"?"))
        let circle = try problems([("a", "after = \"b\""), ("b", "after = \"c\""), ("c", "after = \"a\"")])
        #expect(circle.count == 3 && circle.allSatisfy { $0.contains("would wait for itself") }, "\(circle)")
    }

    @Test("one after a job that is disabled never runs, and is warned of unless it is disabled, too")
    func disabled() throws {
        let warned = try problems([("a", "enabled = false"), ("b", "after = \"a\"")])
        #expect(warned.count == 1 && warned[0].contains("jobs.b.after: warning: \"a\" is disabled"), "\(warned)")
        #expect(try problems([("a", "enabled = false"), ("b", "after = \"a\"\nenabled = false")]) == [])
    }
}
