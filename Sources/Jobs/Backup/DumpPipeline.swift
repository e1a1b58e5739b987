import Command
import Synchronization
import SystemPackage

/// `pg_dump | inspector | zstd | file`: the one way by which the bytes of a backup go.
///
/// The inspector sits in this process, between the two programs, and sees exactly the bytes that are compressed. That costs one more
/// copy in memory than a pipe from program to program would (see `PipeRelay`), far less than reading the dump once more when it is
/// done; and since this process moves the bytes in large portions, both programs are woken up less often.
struct DumpPipeline: Sendable {
    /// pg_dump, writing the custom format to its standard output.
    let dump: Program
    /// The compressor, from standard input to standard output.
    let compressor: Program

    /// What came of it when both programs were content.
    struct Outcome: Sendable {
        /// Whether the archive is whole.
        let verdict: ArchiveInspector.Verdict
        /// Bytes before compression.
        let uncompressedSize: Int64
        /// What the programs wrote to standard error.
        let warnings: ProgramWarnings.Collected
    }

    /// Runs both programs to their ends and writes the file.
    ///
    /// - Parameter progress: gets the count of bytes before compression, often, on a thread that may not be held up.
    /// - Throws: ``JobError`` that names the program, or the file, that failed first; the file is gone then.
    func run(into file: DumpFile, progress: @escaping @Sendable (Int64) -> Void) async throws(JobError) -> Outcome {
        let relay: PipeRelay
        do throws(Errno) {
            relay = try PipeRelay()
        } catch {
            throw JobError(FileFailure(verb: "make", path: "a pipe", code: error.rawValue))
        }
        let inspection = Inspection()
        let warnings = ProgramWarnings()

        let ends = await withTaskGroup(of: End.self, returning: Ends.self) { group in
            group.addTask {
                let end = await Self.end { () throws(PipelineError) in
                    try await Pipeline([dump]).run(
                        output: .relay(into: relay) { bytes in progress(inspection.take(bytes)) },
                        onErrorLine: { _, line in warnings.add(line) })
                }
                // Also after a failure: the compressor waits for the end of its input.
                relay.closeWriteEnd()
                return .dump(end)
            }
            group.addTask {
                let end = await Self.end { () throws(PipelineError) in
                    try await Pipeline([compressor]).run(
                        input: relay.input, output: .stream { try file.write($0) },
                        onErrorLine: { _, line in warnings.add(line) })
                }
                // What is still being written to the compressor fails now instead of waiting for ever.
                relay.closeReadEnd()
                return .compressor(end)
            }
            var ends = Ends()
            for await end in group {
                switch end {
                case .dump(let result): ends.dump = result
                case .compressor(let result):
                    ends.compressor = result
                    // pg_dump may wait for a lock and write nothing, so that it would not notice.
                    if Self.hasFailed(result) { group.cancelAll() }
                }
            }
            return ends
        }
        if let failure = Self.failure(ends, isCancelled: Task.isCancelled) {
            file.discard()
            throw failure
        }
        let inspector = inspection.current
        return Outcome(
            verdict: inspector.verdict(), uncompressedSize: inspector.bytes, warnings: warnings.collected)
    }

    /// The inspector, for the thread on which the bytes pass and the task that asks for the verdict.
    private final class Inspection: Sendable {
        private let state = Mutex(ArchiveInspector())

        var current: ArchiveInspector { state.withLock { $0 } }

        func take(_ bytes: UnsafeRawBufferPointer) -> Int64 {
            state.withLock { inspector in
                inspector.take(bytes)
                return inspector.bytes
            }
        }
    }

    // MARK: Ends

    typealias StageEnd = Result<PipelineResult, PipelineError>

    /// How both programs ended.
    struct Ends: Sendable {
        var dump: StageEnd = .failure(.cancelled)
        var compressor: StageEnd = .failure(.cancelled)
    }

    private enum End: Sendable {
        case dump(StageEnd)
        case compressor(StageEnd)
    }

    private static func end(_ body: () async throws(PipelineError) -> PipelineResult) async -> StageEnd {
        do throws(PipelineError) { return .success(try await body()) } catch { return .failure(error) }
    }

    private static func hasFailed(_ end: StageEnd) -> Bool {
        switch end {
        case .success(let result): result.firstFailure != nil
        case .failure: true
        }
    }

    /// What to tell of how the programs ended; `nil` if both succeeded.
    ///
    /// The compressor cannot fail because of pg_dump, whose end it takes for the end of its input; but pg_dump fails because of the
    /// compressor or the file, by a broken pipe or by our cancelling it. So the compressor is asked first.
    static func failure(_ ends: Ends, isCancelled: Bool) -> JobError? {
        if isCancelled { return .cancelled }
        switch ends.compressor {
        case .failure(let error): return JobError(error, doing: "compressing the dump")
        case .success(let result):
            if let failure = result.firstFailure { return JobError(failure, doing: "compressing the dump") }
        }
        switch ends.dump {
        case .failure(.sinkFailed(let error as Errno)):
            return JobError(FileFailure(verb: "write to", path: "the compressor", code: error.rawValue))
        case .failure(let error): return JobError(error, doing: "the dump")
        case .success(let result): return result.firstFailure.map { JobError($0, doing: "the dump") }
        }
    }
}

/// What programs that succeed write to standard error: how many lines, and the first of them.
final class ProgramWarnings: Sendable {
    /// What was written.
    struct Collected: Sendable, Hashable {
        /// How many lines.
        var count = 0
        /// The first lines.
        var first: [String] = []

        /// As a summary's warnings: the first lines, and how many more there are.
        var lines: [String] {
            count > first.count ? first + ["… and \(HumanText.count(Int64(count - first.count), "more line"))"] : first
        }
    }

    /// How many lines are kept.
    static let limit = 10

    private let state = Mutex(Collected())

    /// What was written until now.
    var collected: Collected { state.withLock { $0 } }

    func add(_ line: String) {
        guard !line.allSatisfy(\.isWhitespace) else { return }
        state.withLock { state in
            state.count += 1
            if state.first.count < Self.limit { state.first.append(line) }
        }
    }
}
