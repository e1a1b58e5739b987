import Command
import Foundation
import Testing

@Suite("Pipeline output")
struct PipelineOutputTests {
    @Test("200 MB arrive whole, in large pieces and off the cooperative pool")
    func stream() async throws {
        let bytes = Counter()
        let pieces = Counter()
        let size = 200_000_000
        let result = try await Pipeline([tool("head", "-c\(size)", "/dev/zero"), tool("cat")]).run(
            output: .stream { piece in
                bytes.add(piece.count)
                pieces.add(1)
            })
        #expect(result.firstFailure == nil)
        #expect(bytes.value == size)
        #expect(result.bytesStreamed == Int64(size))
        #expect(size / pieces.value >= 128 * 1024)
    }

    @Test("small writes are gathered, and yet arrive before the end")
    func gathers() async throws {
        let record = LineRecord()
        let run = Task {
            try await Pipeline([shell("echo a; echo b; read line; echo c")]).run(
                output: .stream { record.add(0, String(decoding: $0, as: UTF8.self)) }, onErrorLine: nil)
        }
        #expect(try await run.value.bytesStreamed == 6)
        #expect(record.lines.map(\.text).joined() == "a\nb\nc\n")
    }

    @Test("what is said before a long silence arrives before it")
    func arrivesEarly() async throws {
        let record = LineRecord()
        let run = Task {
            try await Pipeline([shell("echo early; exec sleep 1000")]).run(
                output: .stream { record.add(0, String(decoding: $0, as: UTF8.self)) })
        }
        await record.wait(for: "early\n")
        run.cancel()
        #expect(await failure { try await run.value }?.isCancelled == true)
    }

    @Test("a sink that throws ends the stages and its error is reported")
    func sinkFails() async throws {
        let (error, duration) = await elapsed {
            await failure {
                try await Pipeline([tool("yes"), tool("cat")]).run(output: .stream { _ in throw DeliberateError() })
            }
        }
        #expect(error?.sinkError is DeliberateError)
        #expect(duration < .seconds(60))
    }

    @Test("a sink that throws at the last piece is an error too, though every stage succeeded")
    func sinkFailsAtTheEnd() async throws {
        let error = await failure {
            try await Pipeline([tool("echo", "x")]).run(output: .stream { _ in throw DeliberateError() })
        }
        #expect(error?.sinkError is DeliberateError)
    }

    @Test("a stage that failed before the sink did is the failure")
    func stageFailsBeforeSink() async throws {
        // The second stage speaks only when the first one has been gone for a while.
        let result = try await Pipeline([shell("exit 3"), shell("cat; sleep 0.3; echo late; sleep 1000")]).run(
            output: .stream { _ in throw DeliberateError() })
        #expect(result.firstFailure?.termination == .exited(3))
    }

    @Test("collecting within the limit gives all, beyond it an error and not a cut")
    func limit() async throws {
        let pipeline = Pipeline([tool("head", "-c1000", "/dev/zero")])
        #expect(try await pipeline.run(output: .collect(limit: 1000)).output.count == 1000)
        let error = await failure { try await pipeline.run(output: .collect(limit: 999)) }
        #expect(error?.sinkError as? OutputLimitExceeded == OutputLimitExceeded(limit: 999))
    }

    @Test("standard error arrives line by line with its stage, and its end in the result")
    func errorLines() async throws {
        let record = LineRecord()
        let result = try await Pipeline([shell("echo one >&2; echo two >&2"), shell("cat; printf 'no newline' >&2")])
            .run(onErrorLine: record.add)
        #expect(record.lines.filter { $0.stage == 0 }.map(\.text) == ["one", "two"])
        #expect(record.lines.filter { $0.stage == 1 }.map(\.text) == ["no newline"])
        #expect(result.stages.map(\.standardErrorTail) == ["one\ntwo\n", "no newline"])
    }

    @Test("a stage that shouts does not block and leaves only the end of what it said")
    func flood() async throws {
        let lines = Counter()
        let result = try await Pipeline([shell("yes 0123456789 | head -c 30000000 >&2; echo; echo last >&2")]).run(
            output: .collect(limit: 10), onErrorLine: { _, _ in lines.add(1) })
        #expect(result.firstFailure == nil)
        #expect(lines.value > 2_700_000)
        let tail = result.stages[0].standardErrorTail
        #expect(tail.utf8.count <= 16 * 1024)
        #expect(tail.utf8.count > 15 * 1024)
        #expect(tail.hasPrefix("0123456789\n"))
        #expect(tail.hasSuffix("last\n"))
    }

    @Test(
        "a program that exits with an error once nobody reads is not taken for the cause of the sink's failure", arguments: 0..<40)
    func sinkFailsFirst(attempt: Int) async throws {
        struct Full: Error {}
        // As journalctl --follow does, it looks at its output while it has nothing to write.
        let script = """
            import os, select
            os.write(1, b"x" * 4096)
            poll = select.poll()
            poll.register(1, 0)
            poll.poll()
            os._exit(1)
            """
        let python = Program(executable: "/usr/bin/python3", arguments: ["-c", script], environment: ["PATH": "/usr/bin:/bin"])
        let error = await failure { try await Pipeline([python]).run(output: .stream { _ in throw Full() }) }
        guard case .sinkFailed(let cause)? = error, cause is Full else {
            Issue.record("\(String(describing: error))")
            return
        }
    }
}
