import Synchronization

/// Text that arrives in pieces.
final class Collected: Sendable {
    private let bytes = Mutex<[UInt8]>([])

    /// All that has arrived. Bytes that are not UTF-8 are replaced.
    var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }

    func append(_ piece: UnsafeRawBufferPointer) {
        bytes.withLock { $0.append(contentsOf: piece) }
    }

    func append(_ piece: String) {
        bytes.withLock { $0.append(contentsOf: piece.utf8) }
    }
}
