import Schedule

/// Tells the time that people and schedules mean. It may jump in either direction.
package protocol WallClock: Sendable {
    /// The instant now.
    func now() -> Instant
}

/// Wakes the scheduler at an instant of the wall clock.
package protocol WakeTimer: Sendable {
    /// Asks to be woken at an instant; replaces what was asked for before. `nil`: only when the clock is set.
    func arm(at instant: Instant?)

    /// One element for each time that the instant came or the wall clock was set; ends when the timer does.
    var wakes: AsyncStream<WakeReason> { get }
}

/// Why the timer woke the scheduler.
package enum WakeReason: Hashable, Sendable {
    /// The instant came.
    case elapsed
    /// Somebody set the wall clock, or the machine slept and its clock has moved on.
    case clockSet
}
