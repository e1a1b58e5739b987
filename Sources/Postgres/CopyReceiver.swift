/// Gathers the rows of a COPY, so that the sink is called for large pieces rather than for single rows.
struct CopyReceiver {
    /// How many bytes are worth a call.
    private static let pieceSize = 64 * 1024

    private let sink: (UnsafeRawBufferPointer) throws -> Void
    private var piece: [UInt8] = []

    /// What the sink threw; after that it is not called again.
    private(set) var failure: (any Error)?

    init(sink: @escaping (UnsafeRawBufferPointer) throws -> Void) {
        self.sink = sink
        piece.reserveCapacity(2 * Self.pieceSize)
    }

    /// Takes a row, or a part of a binary stream.
    mutating func receive(_ row: UnsafeRawBufferPointer) {
        guard failure == nil else { return }
        piece.append(contentsOf: row)
        if piece.count >= Self.pieceSize { handOn() }
    }

    /// Gives the sink what has not been given yet.
    mutating func handOn() {
        guard failure == nil, !piece.isEmpty else { return }
        do { try piece.withUnsafeBytes(sink) } catch { failure = error }
        piece.removeAll(keepingCapacity: true)
    }
}

/// Why a COPY did not come to its end.
package enum CopyOutError: Error, Sendable {
    /// The server, or the way to it.
    case server(PostgresError)
    /// The receiver of the rows threw this; the statement has been cancelled.
    case sink(any Error)
}
