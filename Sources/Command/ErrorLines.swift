import Glibc

/// Takes apart what a child writes to its standard error: lines for whoever listens, and the tail for the report of a
/// failure.
///
/// Holds at most 48 KiB, however much is written.
struct ErrorLines {
    /// How many bytes of the end are kept.
    static let tailSize = 16 * 1024
    /// Longer lines are cut: a program that never ends its line must not fill memory or the journal.
    static let longestLine = 8 * 1024

    private var kept: [UInt8] = []
    private var line: [UInt8] = []
    private var isCut = false

    /// Takes more bytes and hands every line that is complete to `deliver`; without it only the tail is kept.
    mutating func take(_ bytes: UnsafeRawBufferPointer, deliver: ((String) -> Void)?) {
        keep(bytes)
        guard let deliver else { return }
        guard var rest = bytes.baseAddress else { return }
        var count = bytes.count
        while let end = memchr(rest, Int32(UInt8(ascii: "\n")), count) {
            let length = UnsafeRawPointer(end) - rest
            extend(with: UnsafeRawBufferPointer(start: rest, count: length))
            finish(deliver: deliver)
            rest += length + 1
            count -= length + 1
        }
        extend(with: UnsafeRawBufferPointer(start: rest, count: count))
    }

    /// Delivers a last line that does not end in a newline.
    mutating func end(deliver: ((String) -> Void)?) {
        guard let deliver, !line.isEmpty else { return }
        finish(deliver: deliver)
    }

    /// The end of what was written, at most ``tailSize`` bytes; it starts with a line of its own if more was written
    /// than that.
    var tail: String {
        guard kept.count > Self.tailSize else { return String(decoding: kept, as: UTF8.self) }
        let tail = kept.suffix(Self.tailSize)
        // A tail that starts in the middle of a line may start in the middle of a character too.
        let start = tail.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? tail.startIndex
        return String(decoding: start < tail.endIndex ? tail[start...] : tail, as: UTF8.self)
    }

    private mutating func keep(_ bytes: UnsafeRawBufferPointer) {
        // One byte more than the tail is kept, to know that something was cut off.
        if bytes.count > Self.tailSize {
            kept.removeAll(keepingCapacity: true)
            kept.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes.suffix(Self.tailSize + 1)))
        } else {
            kept.append(contentsOf: bytes)
            if kept.count > 2 * Self.tailSize { kept.removeFirst(kept.count - Self.tailSize - 1) }
        }
    }

    private mutating func extend(with piece: UnsafeRawBufferPointer) {
        let room = Self.longestLine - line.count
        line.append(contentsOf: UnsafeRawBufferPointer(rebasing: piece.prefix(room)))
        if piece.count > room { isCut = true }
    }

    private mutating func finish(deliver: (String) -> Void) {
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        deliver(String(decoding: line, as: UTF8.self) + (isCut ? "…" : ""))
        line.removeAll(keepingCapacity: true)
        isCut = false
    }
}
