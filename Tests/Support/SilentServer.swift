import Glibc

/// A server on 127.0.0.1 that lets clients connect and never says a word, as a hung one does.
package final class SilentServer: Sendable {
    /// Where it listens.
    package let port: Int
    private let descriptor: Int32

    /// Starts to listen; the kernel takes connections, nobody reads them.
    package init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let listens = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        guard listens else { throw CannotListen() }
    }

    deinit {
        close(descriptor)
    }

    /// The system gave no socket.
    struct CannotListen: Error {}
}
