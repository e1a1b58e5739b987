import CLinux
import Glibc
import Synchronization
import SystemPackage

/// A pipe that leads from one pipeline to another: what the first puts out passes by a closure of ours on its way
/// (``PipelineOutput/relay(into:watching:)``) and is the second one's input (``input``).
///
/// The bytes are not copied to get there: tee(2) lets both pipes hold the same pages. Where the kernel refuses that, they
/// are written once more.
package final class PipeRelay: Sendable {
    /// What came of passing on the bytes that are next in a pipe.
    enum Passing {
        /// That many went over. They are still to be read from where they came.
        case passed(Int)
        /// One of the pipes cannot go on now: the one is empty or the other is full.
        case blocked
        /// Nothing can be told without reading: at the end of the input, and where the kernel knows no tee(2).
        case unknown
        /// Nobody reads what is passed on, or something unforeseen.
        case failed(Errno)
    }

    private struct Ends {
        var read: FileDescriptor?
        var write: FileDescriptor?
    }

    private let ends: Mutex<Ends>
    private let canTee: Atomic<Bool>
    /// Where the bytes go; non-blocking.
    let writeEnd: FileDescriptor
    private let path: String

    /// Lays the pipe; throws the `Errno`, for instance when there are too many open files.
    package convenience init() throws(Errno) { try self.init(canTee: true) }

    /// - Parameter canTee: whether to try tee(2) at all.
    init(canTee: Bool) throws(Errno) {
        let pipe = try FileDescriptor.pipe(options: .closeOnExec)
        do throws(Errno) {
            try pipe.writeEnd.setNonBlocking()
        } catch {
            try? pipe.readEnd.close()
            try? pipe.writeEnd.close()
            throw error
        }
        pipe.writeEnd.wishForCapacity(OutputPump.bufferSize)
        writeEnd = pipe.writeEnd
        path = "/proc/self/fd/\(pipe.readEnd.rawValue)"
        ends = Mutex(Ends(read: pipe.readEnd, write: pipe.writeEnd))
        self.canTee = Atomic(canTee)
    }

    deinit {
        closeReadEnd()
        closeWriteEnd()
    }

    /// What the other pipeline takes for its input, as long as the read end is held here.
    package var input: PipelineInput { .file(path) }

    /// Lets go of the read end; the other pipeline has its own. Once that is gone too, what is passed on fails with
    /// EPIPE instead of waiting for ever.
    package func closeReadEnd() {
        ends.withLock { ends in
            try? ends.read?.close()
            ends.read = nil
        }
    }

    /// Ends the other pipeline's input. To be called once the pipeline that writes has ended, however it did.
    package func closeWriteEnd() {
        ends.withLock { ends in
            try? ends.write?.close()
            ends.write = nil
        }
    }

    /// Passes on what is next in a pipe, without taking it from there. Never waits.
    func pass(from source: FileDescriptor, atMost limit: Int) -> Passing {
        guard canTee.load(ordering: .relaxed) else { return .unknown }
        while true {
            let count = tee(source.rawValue, writeEnd.rawValue, limit, pgcaretaker_splice_nonblocking)
            if count > 0 { return .passed(count) }
            if count == 0 { return .unknown }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .blocked
            case ENOSYS, EINVAL, EPERM:
                // A kernel that imitates Linux, a filter of system calls, or a source that is no pipe.
                canTee.store(false, ordering: .relaxed)
                return .unknown
            default: return .failed(Errno(rawValue: errno))
            }
        }
    }

    /// Writes what fits. Never waits: 0 is that nothing fits now.
    func write(_ bytes: UnsafeRawBufferPointer) throws(Errno) -> Int {
        while true {
            let count = Glibc.write(writeEnd.rawValue, bytes.baseAddress, bytes.count)
            if count >= 0 { return count }
            if errno == EAGAIN { return 0 }
            guard errno == EINTR else { throw Errno(rawValue: errno) }
        }
    }
}

extension FileDescriptor {
    /// F_SETPIPE_SZ (fcntl(2)), which the C library shows to GNU sources only.
    private static let setPipeSize: Int32 = 1031

    /// Asks for a pipe that holds that many bytes. A wish: an ordinary user has a limit on the sum of them (pipe(7)), and
    /// the default of 64 KiB works too.
    func wishForCapacity(_ bytes: Int) { _ = fcntl(rawValue, Self.setPipeSize, Int32(bytes)) }
}
