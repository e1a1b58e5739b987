/// The text of an `.env` file, read as the `dotenv` package reads it and expanded as `dotenv-expand` does.
///
/// So a value means here what it means to the application: `export`, blanks around `=`, single, double and back quotes, values
/// over several lines in quotes, `\n` and `\r` in double quotes, comments after `#`. A backslash before a quote keeps the quote
/// from ending the value and stays in it, as there. A line that is no assignment is passed over; the last assignment counts.
package struct EnvFile: Sendable {
    private struct Entry {
        var value: String
        var isExpanded: Bool
    }

    private var entries: [String: Entry] = [:]

    /// Reads the text of a file.
    package init(_ text: String) {
        var scanner = Scanner(text: text)
        while let found = scanner.nextAssignment() {
            entries[found.name] = Self.entry(of: found.value)
        }
    }

    /// The variables that a text assigns.
    ///
    /// - Parameter environment: what goes before the file's own values when `${NAME}` is looked up, as the process's environment
    ///   does in `dotenv-expand`.
    package static func parse(_ text: String, environment: [String: String] = [:]) -> [String: String] {
        EnvFile(text).variables(environment: environment)
    }

    /// The variables with references resolved.
    ///
    /// `${NAME}`, `${NAME:-default}` and `$NAME` are replaced outside of quotes and in double quotes, `\$` is a dollar sign. An
    /// unknown `${NAME}` is empty; an unknown `$NAME` stays, because it is more likely a part of a password.
    package func variables(environment: [String: String] = [:]) -> [String: String] {
        entries.keys.reduce(into: [:]) { $0[$1] = value(of: $1, environment: environment, within: []) }
    }

    // MARK: Values

    private static func entry(of raw: String) -> Entry {
        guard let quote = raw.first, "'\"`".contains(quote), raw.count > 1, raw.last == quote else {
            return Entry(value: raw, isExpanded: true)
        }
        let inner = String(raw.dropFirst().dropLast())
        guard quote == "\"" else { return Entry(value: inner, isExpanded: false) }
        return Entry(
            value: inner.replacing("\\n", with: "\n").replacing("\\r", with: "\r"), isExpanded: true)
    }

    private func value(of name: String, environment: [String: String], within outer: Set<String>) -> String {
        guard let entry = entries[name] else { return "" }
        guard entry.isExpanded else { return entry.value }
        return expand(entry.value, environment: environment, within: outer.union([name]))
    }

    /// - Parameter outer: the names whose values are being expanded, so that a circle ends.
    private func expand(_ text: String, environment: [String: String], within outer: Set<String>) -> String {
        func lookUp(_ name: String) -> String? {
            if let value = environment[name] { return value }
            guard entries[name] != nil else { return nil }
            return outer.contains(name) ? "" : value(of: name, environment: environment, within: outer)
        }
        var result = ""
        var rest = Substring(text)
        while let character = rest.popFirst() {
            if character == "\\", rest.first == "$" {
                result.append(rest.removeFirst())
            } else if character != "$" {
                result.append(character)
            } else if rest.first == "{", let end = Self.closingBrace(of: rest) {
                let inside = rest[rest.index(after: rest.startIndex)..<end]
                rest = rest[rest.index(after: end)...]
                let name = String(inside.prefix(while: Self.isNamePart))
                let fallback = inside.dropFirst(name.count)
                let value = lookUp(name)
                if fallback.hasPrefix(":-"), value ?? "" == "" {
                    result += expand(String(fallback.dropFirst(2)), environment: environment, within: outer)
                } else if fallback.hasPrefix("-"), value == nil {
                    result += expand(String(fallback.dropFirst()), environment: environment, within: outer)
                } else {
                    result += value ?? ""
                }
            } else {
                let name = String(rest.prefix(while: Self.isNamePart))
                if !name.isEmpty, let value = lookUp(name) {
                    result += value
                    rest = rest.dropFirst(name.count)
                } else {
                    result.append("$")
                }
            }
        }
        return result
    }

    private static func isNamePart(_ character: Character) -> Bool {
        character == "_" || (character.isASCII && (character.isLetter || character.isNumber))
    }

    private static func closingBrace(of text: Substring) -> Substring.Index? {
        var depth = 0
        for index in text.indices {
            switch text[index] {
            case "{": depth += 1
            case "}":
                depth -= 1
                if depth == 0 { return index }
            default: break
            }
        }
        return nil
    }
}

extension EnvFile {
    /// Finds assignments, in the way of dotenv's one regular expression.
    private struct Scanner {
        private let scalars: [Unicode.Scalar]
        private var position = 0

        init(text: String) {
            var scalars: [Unicode.Scalar] = []
            for scalar in text.unicodeScalars {
                if scalar == "\n", scalars.last == "\r" { scalars.removeLast() }
                scalars.append(scalar)
            }
            self.scalars = scalars.map { $0 == "\r" ? "\n" : $0 }
            if scalars.first == "\u{FEFF}" { position = 1 }
        }

        /// The next assignment, its value still in quotes.
        mutating func nextAssignment() -> (name: String, value: String)? {
            while position < scalars.count {
                if let found = assignment() { return found }
                position = endOfLine(from: position) + 1
            }
            return nil
        }

        private mutating func assignment() -> (name: String, value: String)? {
            var index = skipBlanks(from: position)
            let word = name(from: index)
            if word.text == "export", isBlank(word.end) {
                let next = name(from: skipBlanks(from: word.end))
                if !next.text.isEmpty { index = skipBlanks(from: word.end) }
            }
            let (name, end) = name(from: index)
            guard !name.isEmpty else { return nil }
            index = skipBlanks(from: end)
            if at(index) == "=" {
                index += 1
            } else if at(end) == ":", isBlank(end + 1) {
                index = end + 2
            } else {
                return nil
            }
            index = skipBlanks(from: index)
            if let quote = at(index), "'\"`".unicodeScalars.contains(quote), let close = closing(quote, from: index) {
                position = endOfLine(from: close) + 1
                return (name, text(index...close))
            }
            var stop = index
            while let scalar = at(stop), scalar != "\n", scalar != "#" { stop += 1 }
            position = endOfLine(from: stop) + 1
            while stop > index, isBlank(stop - 1) { stop -= 1 }
            return (name, text(index..<stop))
        }

        /// The quote that ends a value: the first without a backslash before it, else the last with one, in either case
        /// with nothing but a comment behind it.
        private func closing(_ quote: Unicode.Scalar, from start: Int) -> Int? {
            var candidates: [Int] = []
            var index = start + 1
            while let scalar = at(index) {
                if scalar == quote {
                    candidates.append(index)
                    if at(index - 1) != "\\" || index - 1 == start { break }
                }
                index += 1
            }
            return candidates.last { candidate in
                let behind = at(skipBlanks(from: candidate + 1))
                return behind == nil || behind == "\n" || behind == "#"
            }
        }

        private func at(_ index: Int) -> Unicode.Scalar? {
            scalars.indices.contains(index) ? scalars[index] : nil
        }

        private func isBlank(_ index: Int) -> Bool {
            guard let scalar = at(index) else { return false }
            return scalar != "\n" && scalar.properties.isWhitespace
        }

        private func skipBlanks(from index: Int) -> Int {
            var index = index
            while isBlank(index) { index += 1 }
            return index
        }

        private func endOfLine(from index: Int) -> Int {
            var index = index
            while let scalar = at(index), scalar != "\n" { index += 1 }
            return index
        }

        private func name(from start: Int) -> (text: String, end: Int) {
            var index = start
            while let scalar = at(index), scalar.isASCII,
                scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || "_.-".unicodeScalars.contains(scalar)
            {
                index += 1
            }
            return (text(start..<index), index)
        }

        private func text(_ range: some RangeExpression<Int>) -> String {
            var view = String.UnicodeScalarView()
            view.append(contentsOf: scalars[range])
            return String(view)
        }
    }
}
