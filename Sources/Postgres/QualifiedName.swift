/// A table's name as people write it in a configuration: `activities`, `audit.activities`, `"My Schema"."My Table"`.
///
/// Unlike SQL, an unquoted part keeps its case: Prisma's tables are named with capitals, and whoever writes `Activity`
/// means the table of that name. A part needs quotes only if it contains a dot or a quote, or begins or ends with a blank.
package struct QualifiedName: Sendable, Hashable {
    /// The schema; `nil` leaves it to the search path.
    package let schema: String?
    /// The table (or whatever the name names).
    package let name: String

    /// A name of known parts.
    package init(schema: String? = nil, name: String) {
        self.schema = schema
        self.name = name
    }

    /// Reads `name`, `schema.name`, either part in double quotes if need be.
    ///
    /// - Throws: ``QualifiedNameError`` if a part is empty, a quote is not closed, or there are more than two parts.
    package init(_ text: String) throws(QualifiedNameError) {
        var parts: [String] = []
        var rest = Substring(text)
        repeat {
            rest = rest.drop(while: \.isWhitespace)
            if rest.first == "\"" {
                parts.append(try Self.takeQuoted(from: &rest))
                rest = rest.drop(while: \.isWhitespace)
                guard rest.isEmpty || rest.first == "." else { throw .textAfterQuote }
            } else {
                let part = rest.prefix { $0 != "." && $0 != "\"" }
                rest = rest.dropFirst(part.count)
                guard rest.first != "\"" else { throw .quoteInside }
                var trimmed = part
                while trimmed.last?.isWhitespace == true { trimmed.removeLast() }
                guard !trimmed.isEmpty else { throw .emptyPart }
                parts.append(String(trimmed))
            }
            guard !parts[parts.count - 1].isEmpty else { throw .emptyPart }
            guard !parts[parts.count - 1].unicodeScalars.contains("\0") else { throw .containsNUL }
            if rest.first == "." {
                rest.removeFirst()
            } else {
                break
            }
        } while parts.count < 3
        guard parts.count <= 2 else { throw .tooManyParts }
        schema = parts.count == 2 ? parts[0] : nil
        name = parts[parts.count - 1]
    }

    /// The name as SQL takes it, every part in quotes.
    package var sql: String {
        (schema.map { quoteIdentifier($0) + "." } ?? "") + quoteIdentifier(name)
    }

    private static func takeQuoted(from rest: inout Substring) throws(QualifiedNameError) -> String {
        rest.removeFirst()
        var part = ""
        while let character = rest.popFirst() {
            guard character == "\"" else {
                part.append(character)
                continue
            }
            if rest.first == "\"" {
                part.append("\"")
                rest.removeFirst()
            } else {
                return part
            }
        }
        throw .unclosedQuote
    }
}

extension QualifiedName: CustomStringConvertible {
    /// The name as ``init(_:)`` reads it: quotes only where they are needed.
    package var description: String {
        (schema.map { Self.readable($0) + "." } ?? "") + Self.readable(name)
    }

    private static func readable(_ part: String) -> String {
        let needsQuotes =
            part.contains(".") || part.contains("\"") || part.first?.isWhitespace != false
            || part.last?.isWhitespace != false
        return needsQuotes ? quoteIdentifier(part) : part
    }
}

/// Why a text is no name of a table; `description` says it in words.
package enum QualifiedNameError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A part is missing, as in `schema.`.
    case emptyPart
    /// A name that begins with a quote does not end with one.
    case unclosedQuote
    /// Something follows a closing quote.
    case textAfterQuote
    /// A quote in the middle of an unquoted name.
    case quoteInside
    /// More than `schema.name`.
    case tooManyParts
    /// PostgreSQL has no names with NUL in them.
    case containsNUL

    /// The reason, lower case, no final stop.
    package var description: String {
        switch self {
        case .emptyPart: "a part of the name is empty"
        case .unclosedQuote: "a double quote is not closed"
        case .textAfterQuote: "only a dot may follow a closing double quote"
        case .quoteInside: "a double quote may only open a part of the name; write it doubled inside of quotes"
        case .tooManyParts: "more than two parts; a name in which dots occur is written in double quotes"
        case .containsNUL: "a name cannot contain NUL"
        }
    }
}
