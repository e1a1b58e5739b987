import Glibc
import SystemPackage

/// Watches over the processes of one pipeline on a thread of its own: their ends, their standard error, the deadline,
/// the teardown.
///
/// It ends when every process has ended (each still a zombie, see ``StageProcess``) and nothing more is read.
final class Supervision: Sendable {
    /// What came of the pipeline.
    struct Report: Sendable {
        var stages: [StageResult]
        /// The order in which the stages ended; those seen to end together bear the same number.
        var ends: [Int]
        var cause: PipelineError?
        var outputLeftOpen: Bool
        var bytesStreamed: Int64
    }

    let processes: [StageProcess]
    let plumbing: Plumbing
    let source: [UInt8]
    let sink: (@Sendable (UnsafeRawBufferPointer) throws -> Void)?
    let relay: PipeRelay?
    let events: PipelineEvents
    let deadline: (at: SuspendingClock.Instant, after: Duration)?
    let grace: Duration
    let onErrorLine: (@Sendable (Int, String) -> Void)?

    init(
        processes: [StageProcess], plumbing: Plumbing, source: [UInt8],
        sink: (@Sendable (UnsafeRawBufferPointer) throws -> Void)?, relay: PipeRelay?, events: PipelineEvents,
        deadline: (at: SuspendingClock.Instant, after: Duration)?, grace: Duration,
        onErrorLine: (@Sendable (Int, String) -> Void)?
    ) {
        self.processes = processes
        self.plumbing = plumbing
        self.source = source
        self.sink = sink
        self.relay = relay
        self.events = events
        self.deadline = deadline
        self.grace = grace
        self.onErrorLine = onErrorLine
    }

    /// Supervises until the end.
    func run() async -> Report {
        let report = OneTimeValue<Report>()
        do {
            try DedicatedThread.start { [self] in
                var watch = SupervisionLoop(self)
                report.set(watch.run())
            }
        } catch {
            // Without a thread nobody could watch; the processes must not stay behind for that.
            events.tearDown(because: .cannotStart(program: "pipeline", reason: "\(error)"))
            for process in processes { process.signalGroup(SIGKILL) }
            var watch = SupervisionLoop(self)
            report.set(watch.run())
        }
        return await report.value()
    }
}
