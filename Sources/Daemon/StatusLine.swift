import Foundation
import Synchronization
import Systemd

/// The line that `systemctl status` shows: always the newest, but no more than one a second, however much happens.
final class StatusLine: Sendable {
    private struct State {
        var lastSent: ContinuousClock.Instant?
        /// What is to be sent when the second is over; somebody waits for that.
        var pending: String?
    }

    private static let interval = Duration.seconds(1)

    private let send: @Sendable (String) -> Void
    private let state = Mutex(State())

    /// - Parameter send: hands a line on.
    init(send: @escaping @Sendable (String) -> Void) {
        self.send = send
    }

    /// Shows a line, at once or, if there has just been another one, within a second.
    func show(_ text: String) {
        enum Step {
            case send
            case wait(Duration)
            case leave
        }
        let step = state.withLock { state -> Step in
            if state.pending != nil {
                state.pending = text
                return .leave
            }
            let now = ContinuousClock.now
            if let last = state.lastSent, last.duration(to: now) < Self.interval {
                state.pending = text
                return .wait(Self.interval - last.duration(to: now))
            }
            state.lastSent = now
            return .send
        }
        switch step {
        case .send: send(text)
        case .leave: break
        case .wait(let rest):
            Task {
                try? await Task.sleep(for: rest)
                flush()
            }
        }
    }

    private func flush() {
        let text = state.withLock { state -> String? in
            defer { state.pending = nil }
            state.lastSent = .now
            return state.pending
        }
        if let text { send(text) }
    }
}
