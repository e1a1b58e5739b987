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
    /// How long what begins to arrive is left alone, so that it is worth a look.
    static let restMilliseconds: Int32 = 1

    private enum Order {
        case read
        case expectEnd
        case abandon
    }

    private let source: FileDescriptor
    private let patience: Duration
    private let relay: PipeRelay?
    private let sink: @Sendable (UnsafeRawBufferPointer) throws -> Void
    private let order = Mutex(Order.read)
    private let bell: Bell
    private let count = Atomic<Int64>(0)

    /// Takes over `source`, a non-blocking descriptor, and closes it at the end.
    ///
    /// `patience` is how long silence is borne once ``expectEnd()`` was called. The bytes go to the relay as well, if there
    /// is one, before the sink sees them.
    init(
        source: FileDescriptor, patience: Duration, relay: PipeRelay? = nil,
        sink: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
    ) throws(Errno) {
        self.source = source
        self.patience = patience
        self.relay = relay
        self.sink = sink
        self.bell = try Bell()
    }

    /// How many bytes were handed to the sink.
    var bytesDelivered: Int64 { count.load(ordering: .acquiring) }

    /// Starts the thread; `ended` is called on it, once.
    func start(ended: @escaping @Sendable (End) -> Void) throws(ThreadError) {
        try DedicatedThread.start { [self] in
            let end = read()
            // In this order: a stage that writes on fails because of the closed pipe, and must not seem to have failed first.
            ended(end)
            try? source.close()
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
            switch take(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])) {
            case .bytes(let count): filled += count
            case .end(let end): return end
            case .nothing:
                let patience = order == .expectEnd ? patience.wholeMilliseconds : -1
                if !waits(atMost: filled > 0 ? Self.gatheringMilliseconds : patience) {
                    return filled > 0 ? nil : .leftOpen
                }
            }
        }
        return nil
    }

    // MARK: Taking

    private enum Taken {
        case bytes(Int)
        /// There is nothing now, or no room for it in the relay.
        case nothing
        case end(End)
    }

    /// Reads what is there, having passed it on first if there is a relay.
    private func take(into rest: UnsafeMutableRawBufferPointer) -> Taken {
        switch relay?.pass(from: source, atMost: rest.count) ?? .unknown {
        case .blocked: return .nothing
        case .failed(let error): return .end(.sinkFailed(error))
        case .passed(let count):
            // Exactly what has been passed on: whatever comes after it is passed on first as well.
            var taken = 0
            while taken < count {
                let step = Glibc.read(source.rawValue, rest.baseAddress?.advanced(by: taken), count - taken)
                if step < 0, errno == EINTR { continue }
                // It was there and nobody else reads it.
                guard step > 0 else { return .end(.sinkFailed(Errno.ioError)) }
                taken += step
            }
            return .bytes(taken)
        case .unknown:
            while true {
                let count = Glibc.read(source.rawValue, rest.baseAddress, rest.count)
                if count > 0 { return write(UnsafeRawBufferPointer(rebasing: rest[..<count])).map { .end($0) } ?? .bytes(count) }
                if count < 0, errno == EINTR { continue }
                // An error other than "nothing there yet" does not happen to a pipe; it would be an end like any other.
                return count < 0 && errno == EAGAIN ? .nothing : .end(.endOfFile)
            }
        }
    }

    /// Writes what was read to the relay, if there is one; returns how the reading ended if it did.
    private func write(_ bytes: UnsafeRawBufferPointer) -> End? {
        guard let relay else { return nil }
        var written = 0
        while written < bytes.count {
            if order.withLock({ $0 == .abandon }) { return .abandoned }
            do throws(Errno) {
                written += try relay.write(UnsafeRawBufferPointer(rebasing: bytes[written...]))
            } catch {
                return .sinkFailed(error)
            }
            if written < bytes.count { _ = poll(relay.writeEnd, POLLOUT, atMost: -1) }
        }
        return nil
    }

    // MARK: Waiting

    /// Waits until it is worth trying again. False if nothing has happened for that many milliseconds.
    private func waits(atMost milliseconds: Int32) -> Bool {
        var isFull = false
        if let relay {
            switch poll(relay.writeEnd, POLLOUT, atMost: 0) {
            case .silence: isFull = true
            case .rung: return true
            case .ready, .over: break
            }
        }
        // However long the other pipeline makes us wait, that is no silence of this one.
        let polled =
            isFull ? poll(relay?.writeEnd, POLLOUT, atMost: -1) : poll(source, POLLIN, atMost: milliseconds)
        switch polled {
        case .silence: return false
        case .rung, .over: return true
        case .ready: break
        }
        // pg_dump writes 4 KiB at a time. Who looks after every piece costs more than the pieces do; a pipe of 1 MiB does
        // not fill up, or run dry, in a moment.
        if available < Self.desiredPiece { _ = poll(nil, 0, atMost: Self.restMilliseconds) }
        return true
    }

    /// How many bytes could be read now.
    private var available: Int {
        var count: Int32 = 0
        return ioctl(source.rawValue, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
    }

    private enum Polled {
        case ready
        /// Ready, and the other end is closed.
        case over
        case rung
        case silence
    }

    /// Waits for a descriptor and for the bell.
    private func poll(_ descriptor: FileDescriptor?, _ events: Int32, atMost milliseconds: Int32) -> Polled {
        var polled = [
            pollfd(fd: descriptor?.rawValue ?? -1, events: Int16(events), revents: 0),
            pollfd(fd: bell.descriptor.rawValue, events: Int16(POLLIN), revents: 0),
        ]
        let ready = Glibc.poll(&polled, 2, milliseconds)
        if polled[1].revents != 0 {
            bell.clear()
            return .rung
        }
        // A signal, which is blocked here, would be as good a reason to look as any.
        guard ready != 0 else { return .silence }
        return polled[0].revents & Int16(POLLHUP | POLLERR) != 0 ? .over : .ready
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
