import Foundation
import Glibc

/// A daemon, started as systemd would start it: by exec, with a socket that it reports to.
final class ServiceProcess: Sendable {
    let processID: pid_t
    private let socket: NotifySocket
    private let log: String
    private let startedAt: ContinuousClock.Instant

    /// Starts it.
    ///
    /// - Parameter watchdog: how long systemd would wait for a sign of life; `nil` for a service without a watchdog.
    init(
        _ program: String, _ arguments: [String], environment: [String: String], watchdog: Duration?, log: String, folder: String
    ) throws {
        // A name of its own: the socket of the start before may be removed only now.
        socket = try NotifySocket(path: "\(folder)/n\(UInt32.random(in: 0...UInt32.max))")
        var environment = environment
        environment["NOTIFY_SOCKET"] = socket.path
        if let watchdog { environment["WATCHDOG_USEC"] = String(Int64(watchdog / .microseconds(1))) }
        self.log = log
        startedAt = .now
        processID = try Self.spawn([program] + arguments, environment.map { "\($0.key)=\($0.value)" }, log: log)
    }

    private static func spawn(_ arguments: [String], _ environment: [String], log: String) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Threads of ours block all signals, and a child inherits that.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // In a group of its own, so that Ctrl-C ends it by way of us, and not at the same time as us.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETPGROUP))
        var argumentPointers = arguments.map { strdup($0) } + [nil]
        var environmentPointers = environment.map { strdup($0) } + [nil]
        defer { for pointer in argumentPointers + environmentPointers { free(pointer) } }
        var process = pid_t()
        let code = posix_spawn(&process, arguments[0], &actions, &attributes, &argumentPointers, &environmentPointers)
        guard code == 0 else { throw BenchmarkFailure("cannot start \(arguments[0]): \(String(cString: strerror(code)))") }
        return process
    }

    /// Waits until the daemon says that it is ready.
    ///
    /// - Returns: how long that took since the start.
    func waitUntilReady() throws -> Duration {
        while let (message, at) = socket.receive() {
            if message.split(separator: "\n").contains("READY=1") {
                socket.drain()
                return startedAt.duration(to: at)
            }
        }
        let said = FileManager.default.contents(atPath: log).map { String(decoding: $0, as: UTF8.self) } ?? ""
        throw BenchmarkFailure("the daemon did not become ready within \(NotifySocket.patienceSeconds) s\n\(said)")
    }

    /// Ends it in order. Blocks.
    func end() throws {
        kill(processID, SIGTERM)
        let limit = ContinuousClock.now + .seconds(10)
        var status: Int32 = 0
        while waitpid(processID, &status, WNOHANG) == 0 {
            if ContinuousClock.now > limit {
                kill(processID, SIGKILL)
                waitpid(processID, &status, 0)
                throw BenchmarkFailure("the daemon did not end within 10 s of SIGTERM")
            }
            usleep(2000)
        }
        guard status == 0 else { throw BenchmarkFailure("the daemon ended with wait status \(status)") }
    }
}

/// The socket to which a service reports (sd_notify(3)).
final class NotifySocket: Sendable {
    static let patienceSeconds = 10

    let path: String
    private let descriptor: Int32

    init(path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw BenchmarkFailure.system("open a socket for", path) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = path.utf8CString
        guard bytes.count <= MemoryLayout.size(ofValue: address.sun_path) else {
            throw BenchmarkFailure("\(path) is too long for a socket; give a shorter --directory")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { room in bytes.withUnsafeBytes { room.copyMemory(from: $0) } }
        var patience = timeval(tv_sec: Self.patienceSeconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        guard isBound else { throw BenchmarkFailure.system("bind a socket to", path) }
    }

    deinit {
        close(descriptor)
        unlink(path)
    }

    /// Lets go of all that comes from now on, as systemd would: else whoever reports would wait for room.
    func drain() {
        let thread = Thread { [descriptor] in
            var buffer = [UInt8](repeating: 0, count: 4096)
            // Ends when the socket is closed or has been silent for longer than anybody measures.
            var silent = 0
            while silent < 60 {
                let count = recv(descriptor, &buffer, buffer.count, 0)
                if count < 0, errno != EAGAIN { break }
                silent = count < 0 ? silent + 1 : 0
            }
        }
        thread.start()
    }

    /// The next message and when it came; `nil` if there is none for too long. Blocks.
    func receive() -> (message: String, at: ContinuousClock.Instant)? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count >= 0 else { return nil }
        return (String(decoding: buffer[..<count], as: UTF8.self), .now)
    }
}
