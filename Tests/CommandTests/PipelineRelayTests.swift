import Foundation
import Synchronization
import SystemPackage
import Testing

@testable import Command

/// With tee(2), and as on a kernel that has none.
@Suite("Pipeline relay")
struct PipelineRelayTests {
    /// What a reader of the relay and a watcher of it have got.
    private struct Received {
        var writer: Result<PipelineResult, PipelineError>
        var reader: Result<PipelineResult, PipelineError>
        var seen: [UInt8]
        var read: [UInt8]
    }

    private func end(_ body: () async throws(PipelineError) -> PipelineResult) async -> Result<PipelineResult, PipelineError> {
        do throws(PipelineError) { return .success(try await body()) } catch { return .failure(error) }
    }

    private func run(
        _ writer: Program, into reader: Program, tee: Bool, watching: (@Sendable () throws -> Void)? = nil
    ) async throws -> Received {
        let relay = try PipeRelay(canTee: tee)
        let (seen, read) = (Bytes(), Bytes())
        async let first = end { () throws(PipelineError) in
            let result: Result<PipelineResult, PipelineError> = await end { () throws(PipelineError) in
                try await Pipeline([writer]).run(
                    output: .relay(into: relay) { piece in
                        seen.append(piece)
                        try watching?()
                    })
            }
            relay.closeWriteEnd()
            return try result.get()
        }
        async let second = end { () throws(PipelineError) in
            let result: Result<PipelineResult, PipelineError> = await end { () throws(PipelineError) in
                try await Pipeline([reader]).run(input: relay.input, output: .stream { read.append($0) })
            }
            relay.closeReadEnd()
            return try result.get()
        }
        return Received(writer: await first, reader: await second, seen: seen.all, read: read.all)
    }

    /// Numbers, one a line: a byte that is lost, doubled or out of place shows.
    private static let numbers = "seq 1 4000000"

    @Test("the reader and the watcher get all bytes, however slow one of the programs is", arguments: [true, false])
    func whole(tee: Bool) async throws {
        let expected = try await Pipeline([shell(Self.numbers)]).run(output: .collect(limit: 1 << 30)).output
        let slow = "head -c 3000000; sleep 0.3; head -c 5000; sleep 0.3; cat"
        for (writer, reader) in [(Self.numbers, "cat"), (Self.numbers, slow), ("\(Self.numbers) | (\(slow))", "cat")] {
            let received = try await run(shell(writer), into: shell(reader), tee: tee)
            #expect(received.seen == expected)
            #expect(received.read == expected)
            #expect(try received.writer.get().bytesStreamed == Int64(expected.count))
            #expect(try received.reader.get().firstFailure == nil)
        }
    }

    @Test("nothing is nothing, and the reader sees its end", arguments: [true, false])
    func nothing(tee: Bool) async throws {
        let received = try await run(tool("true"), into: tool("cat"), tee: tee)
        #expect(received.seen.isEmpty)
        #expect(received.read.isEmpty)
        #expect(try received.reader.get().firstFailure == nil)
    }

    @Test("bytes go over before more come", arguments: [true, false])
    func prompt(tee: Bool) async throws {
        // The writer ends only when the reader has answered to what came first.
        let folder = try TemporaryFolder()
        let path = folder.file("answer")
        mkfifo(path, 0o600)
        let received = try await run(
            shell("echo question; read answer < \(path); echo $answer"),
            into: shell("read line; echo 42 > \(path); cat"), tee: tee)
        #expect(String(decoding: received.seen, as: UTF8.self) == "question\n42\n")
        #expect(String(decoding: received.read, as: UTF8.self) == "42\n")
    }

    @Test("a reader that ends early breaks the pipe, also while it is full", arguments: [true, false])
    func readerEnds(tee: Bool) async throws {
        let received = try await run(tool("yes"), into: shell("head -c 100; sleep 0.3"), tee: tee)
        #expect(throws: PipelineError.self) { try received.writer.get() }
        guard case .failure(let error) = received.writer else { return }
        #expect(error.sinkError as? Errno == .brokenPipe)
        #expect(try received.reader.get().firstFailure == nil)
    }

    @Test("a watcher that throws ends the writer", arguments: [true, false])
    func watcherThrows(tee: Bool) async throws {
        let received = try await run(tool("yes"), into: tool("cat"), tee: tee) { throw DeliberateError() }
        guard case .failure(let error) = received.writer else {
            Issue.record("succeeded")
            return
        }
        #expect(error.sinkError is DeliberateError)
    }

    @Test("cancelling ends a writer that a full relay holds up", arguments: [true, false])
    func cancelledWhileFull(tee: Bool) async throws {
        let relay = try PipeRelay(canTee: tee)
        let begun = AsyncStream<Void>.makeStream()
        let run = Task {
            try await Pipeline([tool("yes")]).run(output: .relay(into: relay) { _ in begun.continuation.yield() })
        }
        // Nobody reads the relay: after its first MiB it is full.
        for await _ in begun.stream { break }
        run.cancel()
        let (error, duration) = await elapsed { await failure { try await run.value } }
        #expect(error?.isCancelled == true)
        #expect(duration < .seconds(60))
    }

    @Test("the deadline ends a writer that a full relay holds up", arguments: [true, false])
    func deadlineWhileFull(tee: Bool) async throws {
        let relay = try PipeRelay(canTee: tee)
        let error = await failure {
            try await Pipeline([tool("yes")], deadline: .milliseconds(300)).run(output: .relay(into: relay) { _ in })
        }
        #expect(error?.exceededDeadline == .milliseconds(300))
    }

    @Test("what the kernel cannot tee is copied")
    func noPipe() throws {
        let relay = try PipeRelay()
        let file = try FileDescriptor.open("/dev/zero", .readOnly)
        defer { try? file.close() }
        guard case .unknown = relay.pass(from: file, atMost: 10) else {
            Issue.record("passed")
            return
        }
    }

    @Test("a process left behind that holds the writer's output is not taken for its end", arguments: [true, false])
    func leftBehind(tee: Bool) async throws {
        let received = try await run(shell("sleep 1000 & echo $!"), into: tool("cat"), tee: tee)
        guard case .failure(.outputLeftOpen(program: "sh")) = received.writer else {
            Issue.record("\(received.writer)")
            return
        }
        kill(try #require(pid_t(String(decoding: received.read, as: UTF8.self).dropLast())), SIGKILL)
    }
}

/// What a sink has got.
private final class Bytes: Sendable {
    private let storage = Mutex<[UInt8]>([])
    var all: [UInt8] { storage.withLock { $0 } }
    func append(_ piece: UnsafeRawBufferPointer) { storage.withLock { $0.append(contentsOf: piece) } }
}
