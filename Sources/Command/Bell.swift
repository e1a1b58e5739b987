import Glibc
import SystemPackage

/// Wakes a thread that waits in poll(2): a pipe of our own, readable once somebody rang.
final class Bell: Sendable {
    /// What to poll for POLLIN.
    let descriptor: FileDescriptor
    private let writeEnd: FileDescriptor

    /// Opens the pipe; throws the `Errno`, for instance when there are too many open files.
    init() throws(Errno) {
        (descriptor, writeEnd) = try FileDescriptor.pipe(options: .closeOnExec)
        do throws(Errno) {
            try descriptor.setNonBlocking()
            try writeEnd.setNonBlocking()
        } catch {
            try? descriptor.close()
            try? writeEnd.close()
            throw error
        }
    }

    deinit {
        try? descriptor.close()
        try? writeEnd.close()
    }

    /// Makes the descriptor readable. A full pipe is readable as it is.
    func ring() {
        var byte: UInt8 = 0
        _ = Glibc.write(writeEnd.rawValue, &byte, 1)
    }

    /// Makes the descriptor unreadable again.
    func clear() {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
            while Glibc.read(descriptor.rawValue, buffer.baseAddress, buffer.count) == buffer.count {}
        }
    }
}

extension FileDescriptor {
    /// Makes reads and writes return EAGAIN where they would wait.
    ///
    /// That belongs to the open file description: the other end of a pipe, which a child has, is another one and stays
    /// as it was.
    func setNonBlocking() throws(Errno) {
        let flags = fcntl(rawValue, F_GETFL)
        guard flags >= 0, fcntl(rawValue, F_SETFL, flags | O_NONBLOCK) >= 0 else { throw Errno(rawValue: errno) }
    }
}
