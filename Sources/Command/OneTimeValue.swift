import Synchronization

/// A value that is set once and may be awaited, also by a task that has been cancelled.
///
/// An `AsyncStream` would end early in a cancelled task, and the pipeline must wait for its children in that very case.
final class OneTimeValue<Value: Sendable>: Sendable {
    private enum State {
        case empty([CheckedContinuation<Value, Never>])
        case set(Value)
    }

    private let state = Mutex(State.empty([]))

    /// Sets the value. Every call after the first one is ignored.
    func set(_ value: Value) {
        let waiting = state.withLock { state -> [CheckedContinuation<Value, Never>] in
            guard case .empty(let waiting) = state else { return [] }
            state = .set(value)
            return waiting
        }
        for continuation in waiting { continuation.resume(returning: value) }
    }

    /// Waits until the value is set.
    func value() async -> Value {
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state -> Value? in
                switch state {
                case .set(let value): return value
                case .empty(let waiting):
                    state = .empty(waiting + [continuation])
                    return nil
                }
            }
            if let ready { continuation.resume(returning: ready) }
        }
    }
}
