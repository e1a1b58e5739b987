import Jobs
import Synchronization

/// A line on the terminal that shows how far a run has come; nothing where nobody looks.
final class ProgressLine: Sendable {
    private let name: String
    private let lastShown = Mutex<ContinuousClock.Instant?>(nil)

    init(name: String) {
        self.name = name
    }

    /// Where the run reports to.
    var sink: ProgressSink {
        guard Terminal.isInteractive else { return .none }
        return ProgressSink { self.show($0) }
    }

    private func show(_ progress: Jobs.Progress) {
        let now = ContinuousClock.now
        let isDue = lastShown.withLock { last in
            guard last.map({ now - $0 >= .milliseconds(100) }) ?? true else { return false }
            last = now
            return true
        }
        guard isDue else { return }
        func amount(_ number: Int64) -> String {
            switch progress.unit {
            case .rows: HumanText.count(number, "row")
            case .bytes: HumanText.bytes(number)
            case .tables: HumanText.count(number, "table")
            }
        }
        var text = "\(name): \(progress.phase), \(amount(progress.completed))"
        if let total = progress.total, total > 0 {
            text += " of about \(amount(total)) (\(min(100, progress.completed * 100 / total)) %)"
        }
        Terminal.note("\r\u{1B}[K\(text)")
    }

    /// Takes the line away.
    func clear() {
        let wasShown = lastShown.withLock { $0 != nil }
        if wasShown { Terminal.note("\r\u{1B}[K") }
    }
}
