import Synchronization
import SystemPackage

/// Where the first stage's standard input comes from.
package enum PipelineInput: Sendable {
    /// /dev/null.
    case none
    /// The file at this path, opened by us: the child's user need not be allowed to read it.
    case file(String)
    /// These bytes.
    case bytes([UInt8])
}

/// Where the last stage's standard output goes.
package enum PipelineOutput: Sendable {
    /// To /dev/null.
    case discard
    /// Into the result; more than `limit` bytes is an error, not a cut.
    case collect(limit: Int)
    /// To a closure, in pieces of up to 1 MiB, on a thread of its own that the closure may block. The bytes are valid
    /// during the call only.
    case stream(@Sendable (UnsafeRawBufferPointer) throws -> Void)
    /// To another pipeline, and past a closure that sees the same bytes, as with `stream`, soon after they went on.
    case relay(into: PipeRelay, watching: @Sendable (UnsafeRawBufferPointer) throws -> Void)

    /// Where a copy of it all goes.
    fileprivate var relay: PipeRelay? {
        if case .relay(let relay, _) = self { relay } else { nil }
    }

    /// Whether what a process left behind might still write is missed.
    fileprivate var mustBeWhole: Bool {
        switch self {
        case .discard, .collect: false
        case .stream, .relay: true
        }
    }
}

/// Child processes connected by pipes, as in `pg_dump | zstd`, run and supervised as one.
///
/// Every stage leads a session and a process group of its own. Processes that leave their stage's group (setsid(2)) are
/// out of reach.
package struct Pipeline: Sendable {
    /// The programs, in the direction of the data.
    package var stages: [Program]
    /// How long the whole may take, from the call of `run`; nil is without limit.
    package var deadline: Duration?
    /// How long a process may take to end after SIGTERM before SIGKILL follows.
    package var terminationGrace: Duration = .seconds(5)

    /// How long we listen on to a process left behind by a stage that has ended.
    static let leftoverPatience = Duration.seconds(1)

    /// A pipeline of these programs; nothing is started yet.
    package init(_ stages: [Program], deadline: Duration? = nil) {
        self.stages = stages
        self.deadline = deadline
    }

    /// Runs the pipeline and returns once every process has been reaped. A status other than 0 is a result, not an
    /// error.
    ///
    /// `onErrorLine` gets each line a stage writes to its standard error, without its newline and cut at 8 KiB. It is
    /// called on the thread that also watches the deadline, so it should be quick.
    ///
    /// A stage that fails gives those upstream of it the termination grace to notice, then they are ended too: pg_dump
    /// may wait for a lock for hours without writing a byte, and with nobody to write to.
    ///
    /// Throws ``PipelineError``; whichever cause came first.
    package func run(
        input: PipelineInput = .none,
        output: PipelineOutput = .discard,
        onErrorLine: (@Sendable (_ stage: Int, _ line: String) -> Void)? = nil
    ) async throws(PipelineError) -> PipelineResult {
        let events: PipelineEvents
        do { events = try PipelineEvents() } catch { throw .cannotStart(program: "pipeline", reason: "\(error)") }
        let outcome = await withTaskCancellationHandler {
            await self.outcome(input: input, output: output, events: events, onErrorLine: onErrorLine)
        } onCancel: {
            events.tearDown(because: .cancelled)
        }
        return try outcome.get()
    }

    private func outcome(
        input: PipelineInput, output: PipelineOutput, events: PipelineEvents,
        onErrorLine: (@Sendable (Int, String) -> Void)?
    ) async -> Result<PipelineResult, PipelineError> {
        do throws(PipelineError) {
            return .success(try await perform(input: input, output: output, events: events, onErrorLine: onErrorLine))
        } catch {
            return .failure(error)
        }
    }

    private func perform(
        input: PipelineInput, output: PipelineOutput, events: PipelineEvents,
        onErrorLine: (@Sendable (Int, String) -> Void)?
    ) async throws(PipelineError) -> PipelineResult {
        guard !stages.isEmpty else { throw .cannotStart(program: "pipeline", reason: "it has no program") }
        guard !Task.isCancelled else { throw .cancelled }
        let clock = SuspendingClock()
        let begin = clock.now

        let collected = CollectedOutput()
        let sink = collected.sink(for: output)
        var plumbing = try Plumbing(stages: stages.count, input: input, wantsOutput: sink != nil)

        var processes: [StageProcess] = []
        for (index, program) in stages.enumerated() {
            if case .none = events.current.reason {
                do throws(StageProcess.LaunchFailure) {
                    let (input, output, error) = plumbing.children[index]
                    processes.append(try await StageProcess.launch(program, input: input, output: output, error: error))
                } catch {
                    events.tearDown(because: .cannotStart(program: program.name, reason: error.reason))
                }
            }
            plumbing.closeChildEnds(of: index)
        }

        let supervision = Supervision(
            processes: processes, plumbing: plumbing, source: input.bytes, sink: sink, relay: output.relay, events: events,
            deadline: deadline.map { (begin + $0, $0) }, grace: terminationGrace, onErrorLine: onErrorLine)
        let report = await supervision.run()
        for process in processes { await process.release() }

        if let cause = report.cause { throw cause }
        if report.outputLeftOpen, output.mustBeWhole {
            throw .outputLeftOpen(program: stages.last?.name ?? "")
        }
        return PipelineResult(
            stages: report.stages, ends: report.ends, output: collected.bytes, bytesStreamed: report.bytesStreamed)
    }
}

extension PipelineInput {
    fileprivate var bytes: [UInt8] {
        if case .bytes(let bytes) = self { bytes } else { [] }
    }
}

/// What `.collect` has gathered; written by the pump's thread, read after it has ended.
private final class CollectedOutput: Sendable {
    private let storage = Mutex<[UInt8]>([])

    var bytes: [UInt8] { storage.withLock { $0 } }

    /// The closure that takes the output, or nil if nobody wants it.
    func sink(for output: PipelineOutput) -> (@Sendable (UnsafeRawBufferPointer) throws -> Void)? {
        switch output {
        case .discard: nil
        case .stream(let sink), .relay(_, let sink): sink
        case .collect(let limit):
            { piece in
                try self.storage.withLock { bytes in
                    guard bytes.count + piece.count <= limit else { throw OutputLimitExceeded(limit: limit) }
                    bytes.append(contentsOf: piece)
                }
            }
        }
    }
}
