import Command
import Foundation
import Glibc
import Synchronization

/// A shell script as a stage.
func shell(_ script: String, environment: [String: String] = ["PATH": "/usr/bin:/bin"]) -> Program {
    Program(executable: "/bin/sh", arguments: ["-c", script], environment: environment)
}

/// A program of the system as a stage.
func tool(_ name: String, _ arguments: String...) -> Program {
    Program(executable: ExecutableSearch.standard.find(name) ?? "/missing/\(name)", arguments: arguments)
}

/// The standard error lines of a run, each with its stage.
final class LineRecord: Sendable {
    struct Line: Hashable {
        var stage: Int
        var text: String
    }

    private let storage = Mutex<[Line]>([])
    private let continuation: AsyncStream<Line>.Continuation
    /// The lines as they arrive.
    let arrivals: AsyncStream<Line>

    init() { (arrivals, continuation) = AsyncStream.makeStream() }

    var lines: [Line] { storage.withLock { $0 } }

    func add(_ stage: Int, _ text: String) {
        storage.withLock { $0.append(Line(stage: stage, text: text)) }
        continuation.yield(Line(stage: stage, text: text))
    }

    /// Waits for a line with this text.
    func wait(for text: String) async {
        for await line in arrivals where line.text == text { return }
    }
}

/// A folder that goes away with its owner.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "command-tests-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }
}

/// A named pipe that tells when the last process that holds it open for writing is gone.
final class DeathWatch: Sendable {
    let path: String
    private let folder: TemporaryFolder
    private let descriptor: Int32

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("watch")
        mkfifo(path, 0o666)
        descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    }

    deinit { close(descriptor) }

    /// Whether every holder is gone within ten seconds. What they wrote is thrown away; they must have opened it
    /// before.
    func everybodyIsGone() -> Bool {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        var buffer = [UInt8](repeating: 0, count: 256)
        // Asked first: of a pipe that nobody has opened yet, poll(2) says nothing, and nobody holds it.
        repeat {
            if read(descriptor, &buffer, buffer.count) == 0 { return true }
        } while poll(&polled, 1, 10_000) > 0
        return false
    }
}

/// The time that something took.
func elapsed<T>(_ body: () async throws -> T) async rethrows -> (value: T, duration: Duration) {
    let clock = ContinuousClock()
    let begin = clock.now
    let value = try await body()
    return (value, clock.now - begin)
}

/// The error that a run throws, or nil if it gives a result.
func failure(of body: () async throws -> PipelineResult) async -> PipelineError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? PipelineError
    }
}

extension PipelineError {
    var isCancelled: Bool { if case .cancelled = self { true } else { false } }
    var exceededDeadline: Duration? { if case .deadlineExceeded(let deadline) = self { deadline } else { nil } }
    var sinkError: (any Error)? { if case .sinkFailed(let error) = self { error } else { nil } }
    var sourceError: (any Error)? { if case .sourceFailed(let error) = self { error } else { nil } }
    var startFailure: String? {
        if case .cannotStart(let program, let reason) = self { "\(program): \(reason)" } else { nil }
    }
}

/// A sum that a sink adds to.
final class Counter: Sendable {
    private let storage = Mutex(0)
    var value: Int { storage.withLock { $0 } }
    func add(_ count: Int) { storage.withLock { $0 += count } }
}

struct DeliberateError: Error, Equatable {}
