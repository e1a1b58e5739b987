import Command
import Foundation
import Glibc
import Testing

@Suite("Program niceness")
struct ProgramNicenessTests {
    /// What the C library says of the priority of this thread.
    private var ours: Int { Int(getpriority(__priority_which_t(0), 0)) }

    private func run(_ script: String, niceness: Int) async throws -> [String] {
        var program = shell(script)
        program.niceness = niceness
        let result = try await Pipeline([program]).run(output: .collect(limit: 1000))
        #expect(result.firstFailure == nil)
        return String(decoding: result.output, as: UTF8.self).split(separator: "\n").map { String($0) }
    }

    /// The nineteenth field of /proc/PID/stat, which a shell's own name does not shift.
    private static let nice = "set -- $(cat /proc/$$/stat); echo ${19}"

    @Test("a child has it from its first instruction on, and all that it starts", arguments: [0, 7, 19])
    func inherited(niceness: Int) async throws {
        let expected = "\(min(19, ours + niceness))"
        #expect(try await run("\(Self.nice); sh -c '\(Self.nice)'", niceness: niceness) == [expected, expected])
    }

    @Test("the program that is named is the one that runs and is reported")
    func name() async throws {
        var program = shell("echo $0; echo why >&2; exit 3")
        program.niceness = 5
        let result = try await Pipeline([program]).run(output: .collect(limit: 1000))
        #expect(result.firstFailure?.program == "sh")
        #expect(result.firstFailure?.termination == .exited(3))
        #expect(String(decoding: result.output, as: UTF8.self) == "/bin/sh\n")
    }

    @Test(
        "the sessions of several stages get it too, where the kernel weighs sessions",
        .enabled(if: access("/proc/self/autogroup", W_OK) == 0))
    func session() async throws {
        // Unprivileged processes are allowed one change in a tenth of a second, so the second stage may have to wait.
        let wait = "until grep -q 'nice 9$' /proc/self/autogroup; do sleep 0.02; done"
        var (first, second) = (shell("\(wait); echo first"), shell("\(wait); cat; echo second"))
        (first.niceness, second.niceness) = (9, 9)
        let result = try await Pipeline([first, second], deadline: .seconds(60)).run(output: .collect(limit: 1000))
        #expect(String(decoding: result.output, as: UTF8.self) == "first\nsecond\n")
    }

    @Test("our own session keeps its priority", .enabled(if: access("/proc/self/autogroup", W_OK) == 0))
    func ownSession() async throws {
        let before = try String(contentsOfFile: "/proc/self/autogroup", encoding: .utf8)
        _ = try await run("true", niceness: 11)
        #expect(try String(contentsOfFile: "/proc/self/autogroup", encoding: .utf8) == before)
    }
}
