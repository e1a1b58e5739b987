import Glibc

/// A lock on a name in the state directory, held by this process alone, whoever else works there.
///
/// It is a flock(2): the kernel lets go of it when the process dies, so that no lock outlives its holder.
package final class FileLock: Sendable {
    private let descriptor: Int32

    private init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// What came of asking for a lock.
    package enum Result: Sendable {
        case taken(FileLock)
        /// Somebody else holds it.
        case held
        /// The file cannot be made; the system's error number.
        case failed(Int32)
    }

    /// Asks for a lock and does not wait for it.
    package static func take(_ path: String) -> Result {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return .failed(errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            return code == EWOULDBLOCK ? .held : .failed(code)
        }
        return .taken(FileLock(descriptor: descriptor))
    }

    /// Puts a text into the file, for whoever wants to know who holds the lock.
    package func write(_ text: String) {
        ftruncate(descriptor, 0)
        _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
    }

    deinit {
        close(descriptor)
    }
}
