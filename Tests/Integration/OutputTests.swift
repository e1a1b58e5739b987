import Command
import Foundation
import Testing

@Suite("Where the output goes")
struct OutputTests {
    func shell(_ script: String, _ arguments: String...) async throws -> Answer {
        try await Installation.run(
            Program(
                executable: "/bin/bash", arguments: ["-c", script, try Installation.path()] + arguments,
                environment: ["PATH": "/usr/bin:/bin"], user: Installation.user, workingDirectory: "/"))
    }

    @Test("a disk that is full is told, and ends with 74")
    func full() async throws {
        let answer = try await shell(#""$0" next --schedule @daily >/dev/full"#)
        #expect(answer.status == 74, "\(answer)")
        #expect(answer.errors == "pgcaretaker: standard output cannot be written: No space left on device\n")
    }

    @Test("a reader that has enough ends the command as it does every other")
    func enough() async throws {
        let answer = try await shell(#""$0" next --schedule '* * * * *' --count 100000 | head -n 1; exit "${PIPESTATUS[0]}""#)
        #expect(answer.status == 128 + SIGPIPE && answer.errors == "", "\(answer)")
    }

    @Test("standard descriptors that are closed are no reason to fail, and no file takes their place")
    func closed() async throws {
        let installation = try Installation(
            "[database]\nurl = \"postgresql:///x\"\n[jobs.a]\nkind = \"table-sizes\"\nschedule = \"@daily\"\n")
        for _ in 0..<2 {
            let answer = try await shell(
                #""$0" pause a --config "$1" <&- >&- 2>&- && "$0" jobs --config "$1" 2>&-"#, installation.configuration)
            #expect(answer.status == 0 && answer.output.contains("paused"), "\(answer)")
        }
    }

    @Test("a reader of try that has enough leaves no server behind")
    func trial() async throws {
        let answer = try await shell(#""$0" try | head -n 1; exit "${PIPESTATUS[0]}""#)
        #expect(answer.status == 1, "\(answer)")
        #expect(answer.errors.contains("interrupted; everything has been removed"), "\(answer)")
    }
}
