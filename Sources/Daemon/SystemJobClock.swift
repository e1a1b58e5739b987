import Jobs
import Schedule
import Scheduler

/// The host's clocks, for jobs.
package struct SystemJobClock: JobClock {
    private static let beginning = ContinuousClock.now
    private let wall = SystemWallClock()

    /// The host's clocks.
    package init() {}

    /// The wall clock.
    package func now() -> Instant { wall.now() }

    /// Waits by the monotonic clock.
    package func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }

    /// The monotonic clock.
    package func elapsed() -> Duration { Self.beginning.duration(to: .now) }
}
