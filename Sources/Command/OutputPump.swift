import Glibc
import Synchronization
import SystemPackage

/// Reads the last stage's standard output on a thread of its own and hands it on in large pieces.
///
/// The sink may block, on a disk for instance: then the pipe fills up and the stages wait. That is the back-pressure.
final class OutputPump: Sendable {
    /// How the reading ended.
    enum End: Sendable {
        /// Everything was read: nobody holds the other end any more.
        case endOfFile
        /// The last stage has ended, but a process that it left behind holds the other end and says nothing.
        case leftOpen
        /// The sink threw this.
        case sinkFailed(any Error)
        /// The pipeline is being torn down.
        case abandoned
    }

    /// The size of the buffer, which is also the size asked of the kernel for the pipe: the most an ordinary user may
    /// have.
    static let bufferSize = 1 << 20
    /// Pieces smaller than this are gathered for up to `gatheringMilliseconds` before the sink gets them.
    static let desiredPiece = 256 * 1024
    static let gatheringMilliseconds: Int32 = 100

    private enum Order {
        case read
        case expectEnd
        case abandon
    }

    private let source: FileDescriptor
    private let patience: Duration
    private let sink: @Sendable (UnsafeRawBufferPointer) throws -> Void
    private let order = Mutex(Order.read)
    private let bell: Bell
    private let count = Atomic<Int64>(0)

    /// Takes over `source`, a non-blocking descriptor, and closes it at the end.
    ///
    /// `patience` is how long silence is borne once ``expectEnd()`` was called.
    init(
        source: FileDescriptor, patience: Duration, sink: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
    ) throws(Errno) {
        self.source = source
        self.patience = patience
        self.sink = sink
        self.bell = try Bell()
    }

    /// How many bytes were handed to the sink.
    var bytesDelivered: Int64 { count.load(ordering: .acquiring) }

    /// Starts the thread; `ended` is called on it, once.
    func start(ended: @escaping @Sendable (End) -> Void) throws(ThreadError) {
        try DedicatedThread.start { [self] in
            let end = read()
            try? source.close()
            ended(end)
        }
    }

    /// The last stage has ended: what is in the pipe is still read, but silence means the end now.
    func expectEnd() {
        order.withLock { order in
            if order == .read { order = .expectEnd }
        }
        bell.ring()
    }

    /// Stop reading. A sink that is at work is waited for.
    func abandon() {
        order.withLock { $0 = .abandon }
        bell.ring()
    }

    private func read() -> End {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 4096)
        defer { buffer.deallocate() }
        var filled = 0
        while true {
            let end = fill(buffer, &filled)
            if case .abandoned = end { return .abandoned }
            if filled > 0 {
                do {
                    try sink(UnsafeRawBufferPointer(rebasing: buffer[..<filled]))
                } catch {
                    return .sinkFailed(error)
                }
                count.add(Int64(filled), ordering: .acquiringAndReleasing)
                filled = 0
            }
            if let end { return end }
        }
    }

    /// Fills the buffer until a piece is worth handing on; returns how the reading ended if it did.
    private func fill(_ buffer: UnsafeMutableRawBufferPointer, _ filled: inout Int) -> End? {
        while filled < Self.desiredPiece {
            let order = order.withLock { $0 }
            if order == .abandon { return .abandoned }
            let result = Glibc.read(source.rawValue, buffer.baseAddress?.advanced(by: filled), buffer.count - filled)
            if result > 0 {
                filled += result
                continue
            }
            if result == 0 { return .endOfFile }
            // An error other than "nothing there yet" does not happen to a pipe; it would be an end like any other.
            guard errno == EAGAIN || errno == EINTR else { return .endOfFile }

            let wait =
                filled > 0 ? Self.gatheringMilliseconds : order == .expectEnd ? patience.wholeMilliseconds : -1
            var polled = [
                pollfd(fd: source.rawValue, events: Int16(POLLIN), revents: 0),
                pollfd(fd: bell.descriptor.rawValue, events: Int16(POLLIN), revents: 0),
            ]
            let ready = poll(&polled, 2, wait)
            if polled[1].revents != 0 { bell.clear() }
            if ready == 0 {
                if filled > 0 { return nil }
                return .leftOpen
            }
        }
        return nil
    }
}

extension Duration {
    /// The duration in milliseconds, rounded up and within what poll(2) takes; never negative.
    var wholeMilliseconds: Int32 {
        guard self > .zero else { return 0 }
        guard components.seconds < 2_000_000 else { return 2_000_000_000 }
        let (seconds, attoseconds) = components
        return Int32(seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
