import Foundation

/// One entry of a journal.
struct JournalEntry: Sendable, Hashable, CustomStringConvertible {
    /// Every field with its values; more than one only where a field was given more than once.
    let fields: [String: [String]]

    /// Reads a line of `journalctl -o json`. Throws ``MachineError`` if it is none.
    ///
    /// A value is a string, a list of bytes where it is not printable text, or a list of such values (journalctl(1)).
    init(json line: String) throws {
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
        guard let object = object as? [String: Any] else { throw MachineError("no journal entry: \(line)") }
        fields = object.mapValues(Self.values)
    }

    /// The value of a field, the first if there are several.
    subscript(field: String) -> String? { fields[field]?.first }

    /// The text of the entry.
    var message: String { self["MESSAGE"] ?? "" }

    /// The syslog priority: 0 is an emergency, 7 is debugging.
    var priority: Int? { self["PRIORITY"].flatMap { Int($0) } }

    /// Where in the journal the entry is.
    var cursor: String { self["__CURSOR"] ?? "" }

    var description: String { "\(self["SYSLOG_IDENTIFIER"] ?? "?"): \(message)" }

    private static func values(_ value: Any) -> [String] {
        switch value {
        case let text as String: [text]
        case let bytes as [Int]: [String(decoding: bytes.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)]
        case let several as [Any]: several.flatMap(values)
        default: []
        }
    }
}
