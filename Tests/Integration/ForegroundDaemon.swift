import Command
import Foundation
import Glibc
import Synchronization

/// A daemon that runs in the foreground for a test, as somebody would start it in a terminal, and the lines that it says.
final class ForegroundDaemon: Sendable {
    private let lines = Mutex<[String]>([])
    private let arrivals = AsyncStream.makeStream(of: Void.self)
    private let process = Mutex<pid_t?>(nil)
    private let hasEnded = Mutex(false)

    /// Runs a body while a daemon runs, then ends it with SIGTERM unless the body has ended it.
    ///
    /// - Returns: how the daemon ended.
    @discardableResult
    static func with(
        _ installation: Installation, environment: [String: String] = [:], patience: Duration = .seconds(120),
        _ body: (ForegroundDaemon) async throws -> Void
    ) async throws -> Termination {
        let daemon = ForegroundDaemon()
        var program = try installation.command(["daemon"], environment: environment)
        // The shell tells its own process id before it becomes the daemon, so that signals go to that and to nobody else.
        program.arguments = ["-c", "echo \"$$\" >&2; exec \"$0\" \"$@\"", program.executable] + program.arguments
        program.executable = "/bin/sh"
        let started = program
        async let end = daemon.run(started, patience)
        do {
            _ = try await daemon.line("started with")
            try await body(daemon)
        } catch {
            daemon.signal(SIGKILL)
            throw error
        }
        daemon.signal(SIGTERM)
        return try await end.stages[0].termination
    }

    private func run(_ program: Program, _ patience: Duration) async throws -> PipelineResult {
        defer {
            hasEnded.withLock { $0 = true }
            wake()
        }
        return try await Pipeline([program], deadline: patience).run(onErrorLine: { _, line in self.add(line) })
    }

    private func add(_ line: String) {
        process.withLock { $0 = $0 ?? pid_t(line) }
        lines.withLock { $0.append(line) }
        arrivals.continuation.yield()
    }

    /// All that it has said.
    var said: [String] { lines.withLock { $0 } }

    /// Waits until a line with these words is there, and gives it.
    @discardableResult
    func line(_ words: String, after count: Int = 0, patience: Duration = .seconds(30)) async throws -> String {
        try await withThrowingTaskGroup(of: String.self) { group in
            group.addTask {
                while true {
                    if let found = self.said.dropFirst(count).first(where: { $0.contains(words) }) { return found }
                    for await _ in self.arrivals.stream { break }
                    try Task.checkCancellation()
                }
            }
            group.addTask {
                // Not a sleep before looking, but the limit of the wait.
                try await ContinuousClock().sleep(for: patience)
                throw NeverSaid(words: words, said: self.said)
            }
            defer { group.cancelAll() }
            return try await group.next() ?? ""
        }
    }

    /// Waits until its standard error is closed, which is when it has ended, or until somebody is to have an end.
    func ended(or isOver: @escaping @Sendable () -> Bool) async throws {
        while !isOver(), !hasEnded.withLock({ $0 }) {
            for await _ in arrivals.stream { break }
        }
    }

    /// Wakes those who wait for a line.
    func wake() { arrivals.continuation.yield() }

    /// Sends a signal to it.
    func signal(_ signal: Int32) {
        if let process = process.withLock({ $0 }) { kill(process, signal) }
    }

    struct NeverSaid: Error, CustomStringConvertible {
        let words: String
        let said: [String]
        var description: String { "never said \"\(words)\":\n\(said.joined(separator: "\n"))" }
    }
}
