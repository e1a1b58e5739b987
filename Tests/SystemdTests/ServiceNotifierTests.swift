import Foundation
import Testing

@testable import Systemd

/// The service manager's end: a datagram socket, in the abstract name space so that no file stays behind.
final class NotifySocket: Sendable {
    /// One for the whole process: the variable is set once and never changed, for other threads read the environment
    /// too.
    static let shared: NotifySocket? = NotifySocket()

    private let descriptor: Int32

    private init?() {
        let name = "notify-tests-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { path in
            UnsafeMutableRawBufferPointer(rebasing: path.dropFirst()).copyBytes(from: name.utf8)
        }
        let size = MemoryLayout.offset(of: \sockaddr_un.sun_path).map { $0 + 1 + name.utf8.count } ?? 0
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(size)) }
        }
        guard descriptor >= 0, bound == 0, setenv("NOTIFY_SOCKET", "@" + name, 1) == 0 else { return nil }
    }

    /// The next datagram as text, or nil if none is there.
    func receive() -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
    }
}

@Suite("ServiceNotifier", .serialized)
struct ServiceNotifierTests {
    let socket: NotifySocket

    init() throws { socket = try #require(NotifySocket.shared) }

    @Test("with NOTIFY_SOCKET the notifier of the process is active and leaves the variable in place")
    func ofProcess() {
        let notifier = ServiceNotifier.ofProcess()
        #expect(notifier.isActive)
        notifier.ready()
        notifier.watchdog()
        #expect(socket.receive() == "READY=1")
        #expect(socket.receive() == "WATCHDOG=1")
        #expect(socket.receive() == nil)
    }

    @Test("each message is one datagram in the manager's words")
    func messages() {
        let notifier = ServiceNotifier.ofProcess()
        notifier.ready(status: "idle; next fire 02:00")
        #expect(socket.receive() == "READY=1\nSTATUS=idle; next fire 02:00")
        notifier.status("backup, 3.1 GiB")
        #expect(socket.receive() == "STATUS=backup, 3.1 GiB")
        notifier.stopping(status: "waiting for one job")
        #expect(socket.receive() == "STOPPING=1\nSTATUS=waiting for one job")
        notifier.extendTimeout(by: .milliseconds(2500))
        #expect(socket.receive() == "EXTEND_TIMEOUT_USEC=2500000")
        notifier.failing(errno: 13, exitStatus: 78, status: "bad")
        #expect(socket.receive() == "ERRNO=13\nEXIT_STATUS=78\nSTATUS=bad")
    }

    @Test("a reload carries the monotonic time in the same message")
    func reloading() throws {
        func now() -> Int64 {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
        }
        let before = now()
        ServiceNotifier.ofProcess().reloading()
        let lines = try #require(socket.receive()).split(separator: "\n")
        #expect(lines.first == "RELOADING=1")
        let field = try #require(lines.last).split(separator: "=")
        #expect(field.first == "MONOTONIC_USEC")
        let time = try #require(Int64(field[1]))
        #expect((before...now()).contains(time))
    }

    @Test("a newline in a status cannot smuggle in another assignment")
    func injection() {
        ServiceNotifier.ofProcess().status("file \"a\nREADY=1\r\nSTOPPING=1\u{2028}b\"")
        #expect(socket.receive() == "STATUS=file \"a READY=1 STOPPING=1 b\"")
    }

    @Test("an inactive notifier sends nothing, and a message without content is not sent")
    func inactive() {
        let notifier = ServiceNotifier(isActive: false)
        notifier.ready(status: "x")
        notifier.watchdog()
        notifier.reloading()
        ServiceNotifier.ofProcess().failing()
        #expect(socket.receive() == nil)
    }
}

@Suite("WatchdogSettings")
struct WatchdogSettingsTests {
    @Test(
        "only a positive time that is meant for us counts",
        arguments: [
            ("90000000", nil, Duration.seconds(90)), ("90000000", "42", .seconds(90)), ("90000000", "43", nil),
            ("0", nil, nil), ("-1", nil, nil), ("soon", nil, nil), (nil, "42", nil), ("1500", "x", nil),
            ("18446744073709551615", nil, nil),
        ] as [(String?, String?, Duration?)])
    func parse(microseconds: String?, processID: String?, interval: Duration?) {
        let settings = WatchdogSettings.parse(microseconds: microseconds, processID: processID, ownProcessID: 42)
        #expect(settings?.interval == interval)
    }

    @Test("signs of life are due twice in an interval")
    func ping() {
        #expect(WatchdogSettings(interval: .seconds(90)).pingInterval == .seconds(45))
    }
}
