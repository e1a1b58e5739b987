import Synchronization
import SystemPackage

/// What happens to a pipeline from outside of its supervising thread, and the bell that wakes that thread.
final class PipelineEvents: Sendable {
    /// Why a pipeline is torn down. The first reason is the one reported.
    enum Reason: Sendable {
        case cancelled
        case cannotStart(program: String, reason: String)
    }

    private struct State {
        var reason: Reason?
        var pumpEnd: OutputPump.End?
    }

    /// Wakes the supervising thread.
    let bell: Bell
    private let state = Mutex(State())

    init() throws(Errno) { bell = try Bell() }

    /// Asks for the pipeline to be torn down.
    func tearDown(because reason: Reason) {
        state.withLock { state in
            if state.reason == nil { state.reason = reason }
        }
        bell.ring()
    }

    /// Tells that nothing more will be read from the last stage.
    func pumpEnded(_ end: OutputPump.End) {
        state.withLock { $0.pumpEnd = end }
        bell.ring()
    }

    /// What has happened up to now.
    var current: (reason: Reason?, pumpEnd: OutputPump.End?) {
        state.withLock { ($0.reason, $0.pumpEnd) }
    }
}
