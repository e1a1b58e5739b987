import CLinux
import Command
import Glibc
import Schedule
import Synchronization

/// The host's wall clock.
package struct SystemWallClock: WallClock {
    /// The host's clock.
    package init() {}

    /// The instant now, to the microsecond.
    package func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Instant(microsecondsSinceEpoch: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }
}

/// A timer of the kernel's on the wall clock, that also notices when that clock is set.
///
/// It is armed with an absolute time and `TFD_TIMER_CANCEL_ON_SET` (timerfd_create(2)), so that it fires at the right
/// instant after a suspend and ends at once when the clock jumps. One thread blocks in read(2); between two wakes
/// nothing of it runs.
package final class SystemWakeTimer: WakeTimer, Sendable {
    /// Why there is no timer.
    package struct Failure: Error {
        /// The system's error number.
        package let errno: Int32
    }

    /// One element for each wake.
    package let wakes: AsyncStream<WakeReason>
    private let continuation: AsyncStream<WakeReason>.Continuation
    private let descriptor: Int32
    private let armed = Mutex<Instant?>(nil)

    /// A timer that wakes nobody until it is armed.
    ///
    /// - Throws: ``Failure`` if the kernel has no descriptor left.
    package init() throws(Failure) {
        descriptor = timerfd_create(CLOCK_REALTIME, pgcaretaker_timer_close_on_exec)
        guard descriptor >= 0 else { throw Failure(errno: errno) }
        (wakes, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(8))
    }

    /// Begins to watch on a thread of its own, which ends with the process.
    ///
    /// - Throws: ``Failure`` if the system allows no more threads.
    package func start() throws(Failure) {
        arm(at: nil)
        do throws(ThreadError) {
            try DedicatedThread.start { self.watch() }
        } catch {
            throw Failure(errno: error.code)
        }
    }

    /// Asks to be woken at an instant; a past one wakes at once.
    package func arm(at instant: Instant?) {
        armed.withLock {
            $0 = instant
            set(instant)
        }
    }

    private func set(_ instant: Instant?) {
        // Without an instant the timer still has to run, or setting the clock would not be noticed: far in the future.
        let target = max(instant?.microsecondsSinceEpoch ?? Self.farFuture, 1)
        var value = itimerspec()
        value.it_value.tv_sec = Int(target / 1_000_000)
        value.it_value.tv_nsec = Int(target % 1_000_000) * 1000
        timerfd_settime(descriptor, pgcaretaker_timer_absolute, &value, nil)
    }

    /// The year 2200, in microseconds.
    private static let farFuture: Int64 = 7_258_118_400 * 1_000_000

    private func watch() {
        while true {
            var expirations: UInt64 = 0
            let count = read(descriptor, &expirations, MemoryLayout<UInt64>.size)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 || errno == ECANCELED else { break }
            let reason: WakeReason = count < 0 ? .clockSet : .elapsed
            // A cancelled timer stays cancelled until it is set again.
            if reason == .clockSet { armed.withLock { set($0) } }
            if case .terminated = continuation.yield(reason) { break }
        }
        continuation.finish()
    }
}
