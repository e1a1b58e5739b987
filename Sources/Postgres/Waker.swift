import CLibpq
import Glibc

/// A bell that any thread may ring and one thread hears in `poll(2)`.
final class Waker: Sendable {
    /// Readable once the bell was rung.
    let descriptor: Int32

    /// `nil` if the process has no file descriptor left.
    init?() {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard descriptor >= 0 else { return nil }
    }

    deinit {
        // A failed initialiser ends up here too.
        if descriptor >= 0 { close(descriptor) }
    }

    /// Wakes whoever waits, now or later.
    func ring() {
        eventfd_write(descriptor, 1)
    }

    /// Forgets that the bell was rung.
    func silence() {
        var count: eventfd_t = 0
        eventfd_read(descriptor, &count)
    }
}

/// Waits on a socket and a bell; returns what happened on the socket (0 for none), also when the bell rang.
///
/// - Parameter deadline: when to return at the latest; `nil` waits as long as it takes.
func awaitSocket(
    _ events: Int32, on socket: Int32, or waker: Waker?, until deadline: ContinuousClock.Instant?
) -> Int32 {
    var descriptors = [pollfd(fd: socket, events: Int16(events), revents: 0)]
    if let waker { descriptors.append(pollfd(fd: waker.descriptor, events: Int16(POLLIN), revents: 0)) }
    var timeout: Int32 = -1
    if let deadline {
        let left = max(.zero, deadline - .now)
        // Rounded up, so that the deadline has passed when poll says that it has.
        timeout = Int32(min(Int64(Int32.max - 1), Int64(left / .milliseconds(1)))) + 1
    }
    let ready = poll(&descriptors, nfds_t(descriptors.count), timeout)
    guard ready > 0 else { return 0 }
    if descriptors.count > 1, descriptors[1].revents != 0 { waker?.silence() }
    return Int32(descriptors[0].revents)
}
