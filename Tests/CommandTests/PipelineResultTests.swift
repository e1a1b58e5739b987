import Testing

@testable import Command

@Suite("PipelineResult")
struct PipelineResultTests {
    struct Case: Sendable {
        var name: String
        var stages: [StageResult]
        var ends: [Int]
        var expected: Int?
    }

    static let pipe = StageResult(program: "p", termination: .signalled(13))
    static let echo = StageResult(
        program: "e", termination: .exited(1), standardErrorTail: "could not write: Broken pipe\n")
    static let bad = StageResult(program: "b", termination: .exited(1), standardErrorTail: "no space\n")
    static let good = StageResult(program: "g", termination: .exited(0), standardErrorTail: "warning: Broken pipe\n")

    static let cases = [
        Case(name: "all well", stages: [good, good], ends: [1, 2], expected: nil),
        Case(name: "SIGPIPE is an echo, even if seen first", stages: [pipe, bad, good], ends: [1, 2, 3], expected: 1),
        Case(name: "so is an exit that complains of it", stages: [echo, bad], ends: [1, 1], expected: 1),
        Case(name: "the earlier failure counts", stages: [bad, good, bad], ends: [5, 6, 4], expected: 2),
        Case(name: "together, the upper one", stages: [good, bad, bad], ends: [1, 2, 2], expected: 1),
        Case(name: "only echoes: the one that broke first", stages: [pipe, pipe, good], ends: [4, 3, 2], expected: 1),
        Case(name: "only echoes, together: the lower one", stages: [pipe, pipe, good], ends: [2, 2, 2], expected: 1),
    ]

    @Test("the first-hand failure is found", arguments: cases)
    func firstFailure(of example: Case) {
        #expect(
            PipelineResult.firstHandFailure(in: example.stages, ends: example.ends) == example.expected,
            "\(example.name)")
    }

    @Test("terminations and errors read as sentences")
    func words() {
        #expect("\(Termination.exited(2))" == "exited with status 2")
        #expect("\(Termination.signalled(9))" == "was ended by signal 9")
        #expect(
            Termination.exited(0).isSuccess && !Termination.exited(1).isSuccess && !Termination.signalled(0).isSuccess)
        #expect("\(PipelineError.deadlineExceeded(.milliseconds(1250)))" == "did not end within 1.25 s")
        #expect("\(PipelineError.deadlineExceeded(.seconds(90)))" == "did not end within 90 s")
        #expect("\(PipelineError.cannotStart(program: "zstd", reason: "no"))" == "cannot start zstd: no")
    }
}

@Suite("ErrorLines")
struct ErrorLinesTests {
    private func lines(_ pieces: [String]) -> (lines: [String], tail: String) {
        var (reader, delivered) = (ErrorLines(), [String]())
        for piece in pieces {
            Array(piece.utf8).withUnsafeBytes { bytes in reader.take(bytes) { delivered.append($0) } }
        }
        reader.end { delivered.append($0) }
        return (delivered, reader.tail)
    }

    @Test("lines are put together from pieces, with and without carriage returns, also an empty one")
    func pieces() {
        let (delivered, tail) = lines(["on", "e\r\nt", "wo\n\nth", "ree"])
        #expect(delivered == ["one", "two", "", "three"])
        #expect(tail == "one\r\ntwo\n\nthree")
    }

    @Test("a character cut between pieces is put together, bytes that are no text are replaced")
    func characters() {
        var (reader, delivered) = (ErrorLines(), [String]())
        for piece: [UInt8] in [[0xc3], [0xa4, 0x0a], [0xff, 0x0a]] {
            piece.withUnsafeBytes { bytes in reader.take(bytes) { delivered.append($0) } }
        }
        #expect(delivered == ["ä", "\u{fffd}"])
    }

    @Test("a line without end is cut")
    func longLine() {
        let long = String(repeating: "x", count: 20_000)
        let (delivered, tail) = lines([long, long + "\nnext\n"])
        #expect(delivered == [String(repeating: "x", count: ErrorLines.longestLine) + "…", "next"])
        #expect(tail == "next\n")
    }

    @Test("the tail starts with a line and has at most 16 KiB", arguments: [1, 7, 1000, 100_000])
    func tail(piece: Int) {
        let text = (0..<20_000).map { "line \($0)\n" }.joined()
        let bytes = Array(text.utf8)
        var reader = ErrorLines()
        for start in stride(from: 0, to: bytes.count, by: piece) {
            bytes[start..<min(start + piece, bytes.count)].withUnsafeBytes { reader.take($0, deliver: nil) }
        }
        #expect(reader.tail.utf8.count <= ErrorLines.tailSize)
        #expect(reader.tail.utf8.count > ErrorLines.tailSize - 20)
        #expect(reader.tail.hasPrefix("line "))
        #expect(text.hasSuffix(reader.tail))
    }
}
