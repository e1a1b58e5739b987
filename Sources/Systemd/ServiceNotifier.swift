import CSystemd
import Glibc

/// Tells the service manager how the daemon is doing (sd_notify(3)). Does nothing when no service manager asked for it.
///
/// Every message is one datagram. `NOTIFY_SOCKET` stays in our own environment; children are given theirs explicitly
/// and never see it.
package struct ServiceNotifier: Sendable {
    /// Whether a service manager listens.
    package let isActive: Bool

    /// Creates a notifier; an inactive one swallows everything.
    package init(isActive: Bool) { self.isActive = isActive }

    /// The notifier of this process, active if `NOTIFY_SOCKET` is set.
    package static func ofProcess() -> ServiceNotifier {
        ServiceNotifier(isActive: getenv("NOTIFY_SOCKET") != nil)
    }

    /// Start-up, or a reload, is complete. A reload that was refused ends with this too: the daemon is ready as it was.
    package func ready(status: String? = nil) {
        send([("READY", "1")], status: status)
    }

    /// The line that `systemctl status` shows. The caller sees to it that there is at most one a second.
    package func status(_ text: String) {
        send([], status: text)
    }

    /// A reload begins. To be followed by ``ready(status:)``, whatever comes of it, else systemd waits for ever.
    ///
    /// `MONOTONIC_USEC` must be in the same message: by it systemd 253 and later tell this reload from an earlier one.
    package func reloading(status: String? = nil) {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let microseconds = Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
        send([("RELOADING", "1"), ("MONOTONIC_USEC", String(microseconds))], status: status)
    }

    /// The daemon begins to stop.
    package func stopping(status: String? = nil) {
        send([("STOPPING", "1")], status: status)
    }

    /// The daemon is alive: to be sent every half of ``WatchdogSettings/interval``, and only while work gets done.
    package func watchdog() {
        send([("WATCHDOG", "1")], status: nil)
    }

    /// Asks for at least this much more time for start-up or stop, from now on; must arrive before the time that is
    /// left is over.
    package func extendTimeout(by duration: Duration) {
        send([("EXTEND_TIMEOUT_USEC", String(duration.wholeMicroseconds))], status: nil)
    }

    /// Why the daemon is about to exit with a failure: a code of errno(3) or the exit status to come, as they apply.
    package func failing(errno: Int32? = nil, exitStatus: Int32? = nil, status: String? = nil) {
        var fields: [(String, String)] = []
        if let errno { fields.append(("ERRNO", String(errno))) }
        if let exitStatus { fields.append(("EXIT_STATUS", String(exitStatus))) }
        send(fields, status: status)
    }

    private func send(_ fields: [(name: String, value: String)], status: String?) {
        guard isActive else { return }
        let message = Self.message(fields, status: status)
        guard !message.isEmpty else { return }
        // The answer is of no use: a service manager that cannot be reached cannot be told so either.
        sd_notify(0, message)
    }

    /// The text of one datagram: assignments separated by newlines.
    static func message(_ fields: [(name: String, value: String)], status: String?) -> String {
        var lines = fields.map { "\($0.name)=\($0.value)" }
        if let status { lines.append("STATUS=\(singleLine(status))") }
        return lines.joined(separator: "\n")
    }

    /// The text on one line. A newline in it would start another assignment: a file name could then say `READY=1`.
    private static func singleLine(_ text: String) -> String {
        text.split { $0.isNewline || $0 == "\0" }.joined(separator: " ")
    }
}

extension Duration {
    /// The duration in microseconds, rounded down.
    var wholeMicroseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        return overflow ? .max : product &+ attoseconds / 1_000_000_000_000
    }
}
