/// A JSON value, whose objects keep the order of their keys and never leave one out.
package indirect enum JSONValue: Sendable {
    case null
    case boolean(Bool)
    case integer(Int64)
    case number(Double)
    case text(String)
    case array([JSONValue])
    case object([(String, JSONValue)])

    /// A text, or null.
    package static func optional(_ text: String?) -> JSONValue { text.map { .text($0) } ?? .null }

    /// A whole number, or null.
    package static func optional(_ number: Int64?) -> JSONValue { number.map { .integer($0) } ?? .null }

    /// A whole number.
    package static func integer(_ number: Int) -> JSONValue { .integer(Int64(number)) }

    /// Seconds, to the microsecond.
    package static func seconds(_ duration: Duration) -> JSONValue {
        .number(Double(duration.components.seconds) + Double(duration.components.attoseconds / 1_000_000_000_000) / 1e6)
    }

    /// The value as JSON text (RFC 8259), two blanks a level, without a line end.
    package var text: String { rendered(indent: "") }

    private func rendered(indent: String) -> String {
        let deeper = indent + "  "
        switch self {
        case .null: return "null"
        case .boolean(let value): return value ? "true" : "false"
        case .integer(let value): return "\(value)"
        case .number(let value): return value.isFinite ? "\(value)" : "null"
        case .text(let value): return Self.quoted(value)
        case .array(let items) where items.isEmpty: return "[]"
        case .array(let items):
            return "[\n" + items.map { deeper + $0.rendered(indent: deeper) }.joined(separator: ",\n") + "\n\(indent)]"
        case .object(let entries) where entries.isEmpty: return "{}"
        case .object(let entries):
            return "{\n"
                + entries.map { "\(deeper)\(Self.quoted($0.0)): \($0.1.rendered(indent: deeper))" }.joined(separator: ",\n")
                + "\n\(indent)}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
