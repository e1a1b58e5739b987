import TOMLKit

/// A value of a configuration file and where it stands.
struct ConfigurationNode: Sendable {
    indirect enum Value: Sendable {
        case text(String)
        case integer(Int64)
        case number(Double)
        case boolean(Bool)
        /// A date or a time, of which the configuration has no use; the word for it.
        case moment(String)
        case array([ConfigurationNode])
        case table([String: ConfigurationNode])
    }

    var value: Value
    var location: SourceLocation

    /// The value's type in the words of TOML.
    var typeName: String {
        switch value {
        case .text: "a string"
        case .integer: "an integer"
        case .number: "a float"
        case .boolean: "a boolean"
        case .moment(let word): word
        case .array: "an array"
        case .table: "a table"
        }
    }

    /// The file as a tree.
    ///
    /// - Throws: ``ConfigurationProblem`` where the text is not TOML.
    static func parse(_ text: String, file: String) throws(ConfigurationProblem) -> ConfigurationNode {
        let table: TOMLTable
        do {
            table = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            throw ConfigurationProblem(
                SourceLocation(file: file, line: error.source.begin.line), key: nil,
                "not valid TOML: \(error.description)")
        } catch {
            throw ConfigurationProblem(SourceLocation(file: file, line: 0), key: nil, "not valid TOML: \(error)")
        }
        let lines = KeyLines(of: text)
        return node(table, path: [], lines: lines, file: file, parentLine: 1)
    }

    private static func node(
        _ value: any TOMLValueConvertible, path: [String], lines: KeyLines, file: String, parentLine: Int
    ) -> ConfigurationNode {
        let line = lines.line(of: path) ?? parentLine
        func child(_ value: any TOMLValueConvertible, _ key: String) -> ConfigurationNode {
            node(value, path: path + [key], lines: lines, file: file, parentLine: line)
        }
        let converted: Value
        switch value.type {
        case .table:
            var entries: [String: ConfigurationNode] = [:]
            if let table = value.table {
                for key in table.keys { entries[key] = table[key].map { child($0, key) } }
            }
            converted = .table(entries)
        case .array:
            converted = .array((value.array.map(Array.init) ?? []).enumerated().map { child($1, String($0)) })
        case .string: converted = .text(value.string ?? "")
        case .int: converted = .integer(Int64(value.int ?? 0))
        case .double: converted = .number(value.double ?? 0)
        case .bool: converted = .boolean(value.bool ?? false)
        case .date: converted = .moment("a date")
        case .time: converted = .moment("a time")
        case .dateTime: converted = .moment("a date with time")
        }
        return ConfigurationNode(value: converted, location: SourceLocation(file: file, line: line))
    }

    /// This tree with another laid over it: tables are merged key by key, everything else is replaced.
    func overlaid(by other: ConfigurationNode) -> ConfigurationNode {
        guard case .table(let mine) = value, case .table(let theirs) = other.value else { return other }
        return ConfigurationNode(value: .table(mine.merging(theirs) { $0.overlaid(by: $1) }), location: location)
    }
}
