import Synchronization

/// Cuts a stream of bytes into lines as they come.
final class LineSplitter: Sendable {
    private let rest = Mutex<[UInt8]>([])

    /// Takes the next bytes and gives the lines that they complete, without their ends.
    func take(_ bytes: UnsafeRawBufferPointer) -> [String] {
        rest.withLock { rest in
            rest.append(contentsOf: bytes)
            var lines = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            let last = lines.removeLast()
            defer { rest = Array(last) }
            // A console ends its lines with a carriage return as well.
            return lines.map { line in
                String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
            }
        }
    }
}
