import Glibc

/// How often the service manager wants to hear that we are alive (sd_watchdog_enabled(3)).
package struct WatchdogSettings: Sendable, Hashable {
    /// The time without a sign of life after which the service is killed.
    package var interval: Duration

    /// Creates settings with the given time to live.
    package init(interval: Duration) { self.interval = interval }

    /// The time between two signs of life: half of the interval, as the manual recommends.
    package var pingInterval: Duration { interval / 2 }

    /// Reads `WATCHDOG_USEC` and `WATCHDOG_PID`; nil if there is no watchdog, if it is meant for another process, or if
    /// what they say makes no sense.
    package static func parse(microseconds: String?, processID: String?, ownProcessID: Int32) -> WatchdogSettings? {
        guard let microseconds, let count = Int64(microseconds), count > 0 else { return nil }
        if let processID, Int32(processID) != ownProcessID { return nil }
        return WatchdogSettings(interval: .microseconds(count))
    }

    /// The settings of this process.
    package static func ofProcess() -> WatchdogSettings? {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        return parse(
            microseconds: variable("WATCHDOG_USEC"), processID: variable("WATCHDOG_PID"), ownProcessID: getpid())
    }
}
