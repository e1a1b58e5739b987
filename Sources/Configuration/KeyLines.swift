/// On which line each key of a TOML text stands.
///
/// The parser in use tells lines only where it fails. This walk over a text that has already been found valid tells them
/// for the errors that come later: an unknown key, a value out of range.
struct KeyLines: Sendable {
    private var lines: [[String]: Int] = [:]

    init(of text: String) {
        var walk = Walk(Array(text.utf8))
        walk.document()
        lines = walk.lines
    }

    /// The line, from 1, of a key, a table's header, or an array's item (its index as a word).
    func line(of path: [String]) -> Int? { lines[path] }

    private struct Walk {
        private let bytes: [UInt8]
        private var index = 0
        private var line = 1
        private var tableArrays: [[String]: Int] = [:]
        var lines: [[String]: Int] = [:]

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        private var byte: UInt8? { index < bytes.count ? bytes[index] : nil }

        private mutating func advance(_ count: Int = 1) {
            for _ in 0..<count where index < bytes.count {
                if bytes[index] == UInt8(ascii: "\n") { line += 1 }
                index += 1
            }
        }

        private func looking(at text: StaticString) -> Bool {
            text.withUTF8Buffer { index + $0.count <= bytes.count && bytes[index..<index + $0.count].elementsEqual($0) }
        }

        private mutating func skipBlanks(andLines: Bool) {
            while let byte {
                switch byte {
                case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): advance()
                case UInt8(ascii: "\n") where andLines: advance()
                case UInt8(ascii: "#"): while let byte = self.byte, byte != UInt8(ascii: "\n") { _ = byte; advance() }
                default: return
                }
            }
        }

        mutating func document() {
            var table: [String] = []
            while true {
                skipBlanks(andLines: true)
                guard let byte else { return }
                let start = index
                if byte == UInt8(ascii: "[") {
                    let isArray = looking(at: "[[")
                    let here = line
                    advance(isArray ? 2 : 1)
                    var path = resolved(keyPath())
                    while let byte = self.byte, byte == UInt8(ascii: "]") { _ = byte; advance() }
                    note(path, at: here)
                    if isArray {
                        let number = tableArrays[path, default: -1] + 1
                        tableArrays[path] = number
                        path.append(String(number))
                        note(path, at: here)
                    }
                    table = path
                } else {
                    pair(in: table)
                }
                if index == start { advance() }
            }
        }

        /// A header below an array of tables means its latest item.
        private func resolved(_ path: [String]) -> [String] {
            var result: [String] = []
            for (place, key) in path.enumerated() {
                result.append(key)
                if place < path.count - 1, let number = tableArrays[result] { result.append(String(number)) }
            }
            return result
        }

        private mutating func note(_ path: [String], at line: Int) {
            for length in 1...max(path.count, 1) where length <= path.count {
                let prefix = Array(path.prefix(length))
                if lines[prefix] == nil || length == path.count { lines[prefix] = line }
            }
        }

        private mutating func pair(in table: [String]) {
            let here = line
            let path = table + keyPath()
            note(path, at: here)
            skipBlanks(andLines: false)
            guard byte == UInt8(ascii: "=") else { return }
            advance()
            skipBlanks(andLines: false)
            value(path)
        }

        private mutating func keyPath() -> [String] {
            var path: [String] = []
            while true {
                skipBlanks(andLines: false)
                guard let byte else { break }
                if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                    path.append(string())
                } else {
                    let start = index
                    while let byte = self.byte, isBare(byte) { _ = byte; advance() }
                    guard index > start else { break }
                    path.append(String(decoding: bytes[start..<index], as: UTF8.self))
                }
                skipBlanks(andLines: false)
                guard self.byte == UInt8(ascii: ".") else { break }
                advance()
            }
            return path
        }

        private func isBare(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }

        /// A string of any of TOML's four kinds; its escapes are resolved only as far as keys use them.
        private mutating func string() -> String {
            let quote = bytes[index]
            let isLong = looking(at: "\"\"\"") || looking(at: "'''")
            let isLiteral = quote == UInt8(ascii: "'")
            advance(isLong ? 3 : 1)
            var content: [UInt8] = []
            while let byte {
                if byte == UInt8(ascii: "\\"), !isLiteral {
                    advance()
                    if let escaped = self.byte { content.append(escaped) }
                    advance()
                } else if isLong ? (looking(at: "\"\"\"") && !isLiteral || looking(at: "'''") && isLiteral) : byte == quote {
                    advance(isLong ? 3 : 1)
                    // Up to two quotes may stand before the closing three.
                    while isLong, self.byte == quote { advance() }
                    break
                } else {
                    content.append(byte)
                    advance()
                }
            }
            return String(decoding: content, as: UTF8.self)
        }

        private mutating func value(_ path: [String]) {
            guard let byte else { return }
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "'"): _ = string()
            case UInt8(ascii: "["):
                advance()
                var number = 0
                while true {
                    skipBlanks(andLines: true)
                    guard let byte = self.byte else { return }
                    if byte == UInt8(ascii: "]") { break }
                    if byte == UInt8(ascii: ",") { advance(); continue }
                    let item = path + [String(number)]
                    lines[item] = line
                    let start = index
                    value(item)
                    if index == start { advance() }
                    number += 1
                }
                advance()
            case UInt8(ascii: "{"):
                advance()
                while true {
                    skipBlanks(andLines: true)
                    guard let byte = self.byte else { return }
                    if byte == UInt8(ascii: "}") { break }
                    if byte == UInt8(ascii: ",") { advance(); continue }
                    let start = index
                    pair(in: path)
                    if index == start { advance() }
                }
                advance()
            default:
                while let byte = self.byte,
                    ![",", "]", "}", "#", "\n"].contains(Character(UnicodeScalar(byte)))
                { _ = byte; advance() }
            }
        }
    }
}
