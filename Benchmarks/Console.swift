import ArgumentParser
import Command
import Foundation
import Glibc

/// Results go to standard output, what happens meanwhile to standard error.
enum Console {
    static func say(_ text: String) {
        FileHandle.standardOutput.write(Data((text.hasSuffix("\n") ? text : text + "\n").utf8))
    }

    static func note(_ text: String) {
        FileHandle.standardError.write(Data(("· " + text + "\n").utf8))
    }

    static func fail(_ failure: BenchmarkFailure) -> ExitCode {
        FileHandle.standardError.write(Data("Benchmarks: \(failure.message)\n".utf8))
        return ExitCode(1)
    }
}

/// Why there is no result.
struct BenchmarkFailure: Error {
    let message: String

    init(_ message: String) { self.message = message }

    /// A call of the operating system that failed just now.
    static func system(_ verb: String, _ path: String) -> BenchmarkFailure {
        BenchmarkFailure("cannot \(verb) \(path): \(String(cString: strerror(errno)))")
    }
}

/// Work that blocks, on a thread of its own.
enum Blocking {
    static func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            do {
                try DedicatedThread.start { continuation.resume(with: Result { try work() }) }
            } catch {
                continuation.resume(throwing: BenchmarkFailure("the system gives no thread: \(error)"))
            }
        }
    }
}
