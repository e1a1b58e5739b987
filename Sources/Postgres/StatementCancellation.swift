import CLibpq
import Glibc
import Synchronization

/// The right to cancel what a session runs at the moment, from any thread (libpq 34.6).
final class CancelKey: @unchecked Sendable {
    // @unchecked: PQcancel only reads the structure, and may be called from any thread.
    private let handle: OpaquePointer

    /// Takes the key of a connection that stands; `nil` if it does not.
    init?(of connection: OpaquePointer) {
        guard let handle = PQgetCancel(connection) else { return nil }
        self.handle = handle
    }

    deinit {
        PQfreeCancel(handle)
    }

    /// Asks the server to cancel. Blocks until the server has signalled the session, or the network has given up.
    func send() {
        var reason = [CChar](repeating: 0, count: 256)
        // A refusal changes nothing for us: whoever waits for the statement to end has a limit to its patience.
        _ = PQcancel(handle, &reason, Int32(reason.count))
    }
}

/// One statement's way of being cancelled: a request goes out at most once, and only while the statement runs.
final class StatementCancellation: Sendable {
    private struct State {
        var isOver = false
        var requested: ContinuousClock.Instant?
        var isBeingSent = false
    }

    private let state = Mutex(State())
    private let key: CancelKey?
    private let waker: Waker

    init(key: CancelKey?, waker: Waker) {
        self.key = key
        self.waker = waker
    }

    /// When cancellation was asked for; `nil` if it was not.
    var requestedAt: ContinuousClock.Instant? { state.withLock { $0.requested } }

    /// Whether a request is on its way, so that it may still hit whatever runs next.
    var isBeingSent: Bool { state.withLock { $0.isBeingSent } }

    /// Cancels the statement if it still runs; returns at once.
    func request() {
        let sends = state.withLock { state in
            guard !state.isOver, state.requested == nil else { return false }
            state.requested = .now
            state.isBeingSent = key != nil
            return true
        }
        guard sends else { return }
        if let key {
            let started = startDetachedThread(named: "postgres cancel") {
                key.send()
                self.sent()
            }
            if !started { sent() }
        }
        waker.ring()
    }

    /// The statement has ended: a later request is no longer meant for it.
    func finish() {
        state.withLock { $0.isOver = true }
    }

    private func sent() {
        state.withLock { $0.isBeingSent = false }
        waker.ring()
    }
}
