import CLinux
import Crypto
import Glibc
import Synchronization

/// A dump that is being written: under a name that no backup bears, readable by nobody else, its SHA-256 taken on the way.
///
/// The file is locked (flock(2)) as long as this object lives, so that nobody takes it for the leftover of a dead run.
final class DumpFile: Sendable {
    /// What a dump that is complete on disk measures.
    struct Measurements: Sendable, Hashable {
        /// Bytes of the file.
        let size: Int64
        /// Of the whole file.
        let sha256: String
    }

    private struct State {
        var hasher = SHA256()
        var size: Int64 = 0
        /// How much of it the kernel has been asked to put on the disk.
        var sentOff: Int64 = 0
        var beginning: [UInt8] = []
        var pathIsOurs = true
    }

    /// The bytes that every frame of zstd begins with (RFC 8878, 3.1.1).
    private static let zstdMagic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]

    /// After how many bytes the kernel is asked to begin with the disk.
    private static let stride: Int64 = 8 << 20

    /// Where the file is.
    let path: String
    private let descriptor: Int32
    private let state = Mutex(State())

    /// Makes the file, which must not exist.
    init(path: String) throws(FileFailure) {
        // O_EXCL and O_NOFOLLOW: what somebody else put there is never written to.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        // The properties are set last: were they set when this throws, `deinit` would run and remove somebody else's file.
        guard descriptor >= 0 else { throw .last("create", path) }
        // EWOULDBLOCK is the eye of a needle: somebody who sweeps leftovers has opened the file between our two calls, and will
        // remove it. Where a file system knows no locks, nobody can sweep either.
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
            let failure = FileFailure.last("lock", path)
            close(descriptor)
            throw failure
        }
        self.descriptor = descriptor
        self.path = path
    }

    deinit {
        discard()
        close(descriptor)
    }

    /// Removes the file now, unless it bears its final name. Who waits for a failed run must not find it still there, and
    /// threads that have written to this object may hold on to it for a moment.
    func discard() {
        state.withLock { state in
            if state.pathIsOurs { unlink(path) }
            state.pathIsOurs = false
        }
    }

    /// Appends bytes. Blocks while the disk does.
    func write(_ bytes: UnsafeRawBufferPointer) throws(FileFailure) {
        var rest = bytes
        while let base = rest.baseAddress, !rest.isEmpty {
            let count = Glibc.write(descriptor, base, rest.count)
            guard count > 0 else {
                if count < 0, errno == EINTR { continue }
                throw .last("write", path)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
        state.withLock { state in
            if state.beginning.count < Self.zstdMagic.count {
                state.beginning.append(contentsOf: bytes.prefix(Self.zstdMagic.count - state.beginning.count))
            }
            state.hasher.update(bufferPointer: bytes)
            state.size += Int64(bytes.count)
            sendOff(&state)
        }
    }

    /// Lets the disk work while the dump goes on. Left to itself the kernel would keep most of the file until the end, when we
    /// would wait for the disk and every commit of the server's with us.
    private func sendOff(_ state: inout State) {
        guard state.size - state.sentOff >= Self.stride else { return }
        // Not waited for, and a failure comes to light in `finish`.
        _ = sync_file_range(
            descriptor, Int(state.sentOff), Int(state.size - state.sentOff), pgcaretaker_sync_range_write)
        state.sentOff = state.size
    }

    /// How many bytes were written.
    var size: Int64 { state.withLock { $0.size } }

    /// Whether the file begins as what zstd writes does.
    var beginsAsZstd: Bool { state.withLock { $0.beginning == Self.zstdMagic } }

    /// Waits until all is on the disk.
    func finish() throws(FileFailure) -> Measurements {
        guard fsync(descriptor) == 0 else { throw .last("sync", path) }
        return state.withLock { state in
            Measurements(size: state.size, sha256: Checksum.hexadecimal(state.hasher.finalize()))
        }
    }

    /// Gives the file its final name, by which it stays. The lock is held on.
    func rename(to finalPath: String) throws(FileFailure) {
        guard Glibc.rename(path, finalPath) == 0 else { throw .last("rename", path) }
        letGo()
    }

    /// Leaves the file where it is: it is not removed with this object.
    func letGo() {
        state.withLock { $0.pathIsOurs = false }
    }
}
