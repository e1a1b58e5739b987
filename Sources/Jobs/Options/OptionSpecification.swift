import Schedule

/// What one key of the configuration accepts. The same specification validates a file and documents the key.
package struct OptionSpecification: Sendable {
    /// The key.
    package let name: String
    /// What its value must be.
    package let type: OptionType
    /// Whether the key must be there.
    package let isRequired: Bool
    /// The value that holds when the key is absent.
    package let defaultValue: OptionValue?
    /// What holds when the key is absent and no single value can say it.
    package let defaultText: String?
    /// What the key means, one or two sentences.
    package let summary: String
    /// Whether a reload makes a change of this key effective.
    package let isReloadable: Bool

    /// A key of the configuration.
    package init(
        _ name: String, _ type: OptionType, required: Bool = false, default defaultValue: OptionValue? = nil,
        defaultText: String? = nil, reloadable: Bool = true, _ summary: String
    ) {
        self.name = name
        self.type = type
        self.isRequired = required
        self.defaultValue = defaultValue
        self.defaultText = defaultText
        self.summary = summary
        self.isReloadable = reloadable
    }
}

/// What a value of the configuration must be.
package indirect enum OptionType: Sendable {
    /// Any text that is not empty.
    case text
    /// A name that also serves as part of a file name: letters, digits, `-`, `_` and `.`.
    case name
    /// A table, with or without its schema, as PostgreSQL writes it.
    case relation
    /// A column's name as it stands in the catalogue: no quoting, case matters.
    case column
    /// `true` or `false`.
    case boolean
    /// A whole number in a range.
    case integer(ClosedRange<Int64>)
    /// A number with a fraction in a range.
    case number(ClosedRange<Double>)
    /// A text such as `"90d"`, in a range.
    case duration(ClosedRange<Duration>)
    /// A text such as `"500MiB"`, in a range of bytes.
    case size(ClosedRange<Int64>)
    /// An absolute path.
    case path
    /// One of some words.
    case choice([String])
    /// A cron expression.
    case schedule
    /// The name of a zone of the host's tzdata.
    case zone
    /// A text that must never be shown.
    case secret
    /// An array whose items are all of one type.
    case list(OptionType)
    /// One value, or an array of such values.
    case oneOrMore(OptionType)
    /// A table with keys of its own.
    case table([OptionSpecification])

    /// What to write, for messages and the manual.
    package var expectation: String {
        switch self {
        case .text, .secret: "a text"
        case .name: "a name of letters, digits, '-', '_' and '.'"
        case .relation: "a table's name, such as \"activities\" or \"audit.events\""
        case .column: "a column's name"
        case .boolean: "true or false"
        case .integer(let range):
            range.upperBound == .max
                ? "a whole number from \(range.lowerBound)" : "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .number(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
        case .duration(let range):
            "a duration from \(DurationText.format(range.lowerBound)) to \(DurationText.format(range.upperBound)), such as \"15m\" or \"90d\""
        case .size: "a size, such as \"500MiB\" or \"2GB\""
        case .path: "an absolute path"
        case .choice(let words):
            words.count == 1 ? "\"\(words[0])\"" : "one of " + words.map { "\"\($0)\"" }.joined(separator: ", ")
        case .schedule: "a cron expression, such as \"0 2 * * *\""
        case .zone: "a time zone, such as \"Asia/Kolkata\""
        case .list(let item): "a list, each item \(item.expectation)"
        case .oneOrMore(let item): "\(item.expectation), or a list of them"
        case .table: "a table of options"
        }
    }
}

/// A validated value of the configuration.
package enum OptionValue: Sendable, Hashable {
    case text(String)
    case boolean(Bool)
    case integer(Int64)
    case number(Double)
    case duration(Duration)
    /// Bytes.
    case size(Int64)
    case list([OptionValue])
    case table([String: OptionValue])
}

/// Something wrong with a key that only the kind of job can tell.
package struct OptionProblem: Sendable, Hashable {
    /// The key, with dots for tables in tables (`keep.daily`).
    package let key: String
    /// What is wrong, lower case, no final stop.
    package let reason: String
    /// What to write instead, a full sentence.
    package let hint: String?
    /// Whether the configuration is in force all the same.
    package let isWarning: Bool

    /// A problem with a key.
    package init(_ key: String, _ reason: String, hint: String? = nil, isWarning: Bool = false) {
        self.key = key
        self.reason = reason
        self.hint = hint
        self.isWarning = isWarning
    }
}

/// The validated options of a job or a section, defaults filled in.
package struct OptionValues: Sendable, Hashable {
    private let values: [String: OptionValue]

    /// Options by key.
    package init(_ values: [String: OptionValue]) {
        self.values = values
    }

    /// All values, for comparing two configurations.
    package var all: [String: OptionValue] { values }

    /// The value of a key, if it is there.
    package subscript(_ key: String) -> OptionValue? { values[key] }

    /// A text.
    package func text(_ key: String) -> String? {
        if case .text(let value) = values[key] { value } else { nil }
    }

    /// A boolean.
    package func boolean(_ key: String) -> Bool? {
        if case .boolean(let value) = values[key] { value } else { nil }
    }

    /// A whole number.
    package func integer(_ key: String) -> Int? {
        if case .integer(let value) = values[key] { Int(value) } else { nil }
    }

    /// A number with a fraction.
    package func number(_ key: String) -> Double? {
        switch values[key] {
        case .number(let value): value
        case .integer(let value): Double(value)
        default: nil
        }
    }

    /// A duration.
    package func duration(_ key: String) -> Duration? {
        if case .duration(let value) = values[key] { value } else { nil }
    }

    /// A size in bytes.
    package func size(_ key: String) -> Int64? {
        if case .size(let value) = values[key] { value } else { nil }
    }

    /// A table's options.
    package func table(_ key: String) -> OptionValues? {
        if case .table(let value) = values[key] { OptionValues(value) } else { nil }
    }

    /// The texts of a list, or of a single value.
    package func texts(_ key: String) -> [String]? {
        switch values[key] {
        case .text(let value): [value]
        case .list(let items): items.compactMap { if case .text(let value) = $0 { value } else { nil } }
        default: nil
        }
    }
}
