/// A value for `$1`, `$2` … of a statement, sent as text; the server infers the type from the statement.
package enum PostgresParameter: Sendable, Hashable {
    /// A text, or any type in its text form. It must not contain NUL.
    case text(String)
    /// A whole number.
    case int(Int64)
    /// A floating point number, in the shortest form that reads back the same.
    case double(Double)
    /// A truth value.
    case bool(Bool)
    /// Bytes, for `bytea`.
    case bytes([UInt8])
    /// An array of texts, or of any type in its text form.
    case texts([String])
    /// An array of whole numbers.
    case ints([Int64])
    /// NULL.
    case null

    /// A text, or NULL.
    package static func text(_ value: String?) -> PostgresParameter {
        value.map(PostgresParameter.text) ?? .null
    }

    /// A whole number.
    package static func int(_ value: Int) -> PostgresParameter {
        .int(Int64(value))
    }

    /// The value in PostgreSQL's text form; `nil` for NULL.
    var wireText: String? {
        switch self {
        case .text(let value): value
        case .int(let value): String(value)
        case .double(let value):
            value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : String(value)
        case .bool(let value): value ? "t" : "f"
        case .bytes(let value): "\\x" + value.map(Self.hexadecimal).joined()
        case .texts(let values): "{" + values.map(Self.arrayElement).joined(separator: ",") + "}"
        case .ints(let values): "{" + values.map { String($0) }.joined(separator: ",") + "}"
        case .null: nil
        }
    }

    private static func hexadecimal(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    /// An element in quotes, so that neither commas nor the word NULL mean anything (PostgreSQL 8.15.6).
    private static func arrayElement(_ value: String) -> String {
        var quoted = "\""
        for character in value.unicodeScalars {
            if character == "\"" || character == "\\" { quoted.unicodeScalars.append("\\") }
            quoted.unicodeScalars.append(character)
        }
        return quoted + "\""
    }
}

extension PostgresParameter: ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByNilLiteral
{
    /// A text.
    package init(stringLiteral value: String) { self = .text(value) }

    /// A whole number.
    package init(integerLiteral value: Int64) { self = .int(value) }

    /// A truth value.
    package init(booleanLiteral value: Bool) { self = .bool(value) }

    /// NULL.
    package init(nilLiteral: ()) { self = .null }
}
