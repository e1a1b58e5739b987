import Command
import Foundation
import TestSupport
import Testing

@Suite("pgcaretaker next and check, about schedules")
struct NextCommandTests {
    /// The program that was built beside the tests.
    private static let executable = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appendingPathComponent("pgcaretaker").path

    private func run(_ arguments: [String]) async throws -> (output: String, errors: String) {
        let program = Program(executable: Self.executable, arguments: arguments, environment: ["LC_ALL": "C.UTF-8"])
        let result = try await Pipeline([program], deadline: .seconds(60)).run(output: .collect(limit: 1_000_000))
        #expect(result.firstFailure == nil)
        return (String(decoding: result.output, as: UTF8.self), result.stages[0].standardErrorTail)
    }

    @Test("the fires of an expression come with its words, its class and its warnings")
    func expression() async throws {
        let (output, errors) = try await run([
            "next", "--schedule", "0 0 1-7 * 1", "--timezone", "Asia/Kolkata", "--after", "2026-01-01T00:00:00Z", "--count", "1",
        ])
        #expect(
            output == """
                "0 0 1-7 * 1" in Asia/Kolkata (fixed): at 00:00 on the 1st to the 7th of the month, and also on Monday
                  2026-01-02T00:00:00+05:30

                """)
        #expect(errors.contains("did you mean the 1st Monday of the month?"))
    }

    @Test("as JSON they are one object with three keys")
    func json() async throws {
        let (output, _) = try await run([
            "next", "--schedule", "30 1 * * *", "--timezone", "Europe/London", "--after", "2026-03-28T12:00:00Z", "--count", "2",
            "--json",
        ])
        let object = try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
        #expect(object.keys.sorted() == ["fires", "schedule", "timezone"])
        #expect(object["fires"] as? [String] == ["2026-03-29T02:00:00+01:00", "2026-03-30T01:30:00+01:00"])
    }

    @Test("the changes of the clock are told with what becomes of the fires")
    func transitions() async throws {
        let arguments = [
            "next", "--schedule", "30 1 * * *", "--timezone", "Europe/London", "--after", "2026-01-01T00:00:00Z", "--transitions",
        ]
        let text = try await run(arguments).output
        #expect(
            text.hasPrefix(
                """
                Europe/London, 2026-03-29T01:00:00Z: 2026-03-29 01:00 to 2026-03-29 02:00 does not exist
                  "30 1 * * *" (fixed): the fire of 2026-03-29 01:30 comes at 2026-03-29 02:00 instead
                Europe/London, 2026-10-25T01:00:00Z: 2026-10-25 01:00 to 2026-10-25 02:00 comes twice
                  "30 1 * * *" (fixed): the fire of 2026-10-25 01:30 comes once, on the first pass
                """))
        let json = try await run(arguments + ["--json"]).output
        let changes = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [[String: Any]])
        #expect(changes.map { $0["effect"] as? String } == ["moved", "once", "moved", "once"])
        #expect(changes.first?["fires"] as? [String] == ["2026-03-29T02:00:00+01:00"])
        #expect(changes.first?["job"] is NSNull)
    }

    @Test("check says every job's schedule in words, and warns with file and line")
    func check() async throws {
        let folder = try TemporaryFolder("next")
        let file = try folder.write(
            """
            timezone = "Asia/Kolkata"
            [database]
            url = "postgresql:///x"
            [jobs.sizes]
            kind = "table-sizes"
            schedule = "*/35 * * * *"
            """, to: "pgcaretaker.toml")
        let (output, errors) = try await run(["check", "--offline", "--config", file])
        #expect(
            output.contains("  sizes: table-sizes, \"*/35 * * * *\" in Asia/Kolkata (interval): at minutes 0 and 35 of every hour"))
        #expect(errors.contains("\(file):6: jobs.sizes.schedule: warning: \"*/35\" (minute) is uneven"))
    }
}
