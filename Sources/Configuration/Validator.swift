import Jobs
import Schedule

/// Holds a tree against specifications, and collects everything that is wrong with it.
struct Validator {
    private(set) var problems: [ConfigurationProblem] = []
    let zones: ZoneFiles

    init(zones: ZoneFiles) {
        self.zones = zones
    }

    mutating func report(_ problem: ConfigurationProblem) {
        problems.append(problem)
    }

    /// The valid values of a table, defaults filled in; what is not valid is reported and left out.
    ///
    /// - Parameter ignored: keys that somebody else validates.
    mutating func options(
        of table: [String: ConfigurationNode], as specifications: [OptionSpecification], path: String,
        location: SourceLocation, ignoring ignored: Set<String> = []
    ) -> [String: OptionValue] {
        var values: [String: OptionValue] = [:]
        let names = specifications.map(\.name)
        for (key, node) in table.sorted(by: { $0.value.location < $1.value.location }) where !ignored.contains(key) {
            let full = path.isEmpty ? key : "\(path).\(key)"
            guard let specification = specifications.first(where: { $0.name == key }) else {
                let nearest = Nearest.word(to: key, among: names + ignored)
                report(
                    ConfigurationProblem(
                        node.location, key: full, "unknown key",
                        hint: nearest.map { "did you mean \"\($0)\"?" } ?? "known here: \(names.joined(separator: ", "))"))
                continue
            }
            values[key] = value(of: node, as: specification.type, key: full)
        }
        for specification in specifications where table[specification.name] == nil {
            if specification.isRequired {
                report(
                    ConfigurationProblem(
                        location, key: path.isEmpty ? specification.name : "\(path).\(specification.name)",
                        "missing", hint: "give \(specification.type.expectation)"))
            } else if let value = specification.defaultValue {
                values[specification.name] = value
            }
        }
        return values
    }

    /// A value of the type that is wanted, or `nil` and a report.
    mutating func value(of node: ConfigurationNode, as type: OptionType, key: String) -> OptionValue? {
        switch (type, node.value) {
        case (.boolean, .boolean(let value)): return .boolean(value)
        case (.integer(let range), .integer(let value)):
            return range.contains(value) ? .integer(value) : refuse(node, key, "\(value) is out of range", type)
        case (.number(let range), .integer(let value)):
            return range.contains(Double(value)) ? .number(Double(value)) : refuse(node, key, "\(value) is out of range", type)
        case (.number(let range), .number(let value)):
            return range.contains(value) ? .number(value) : refuse(node, key, "\(value) is out of range", type)
        case (.duration, .integer(let value)):
            return refuse(
                node, key, "the number \(value) has no unit",
                hint: "write \"\(value)d\", \"\(value)h\", \"\(value)m\" or \"\(value)s\"")
        case (.size, .integer(let value)):
            return refuse(
                node, key, "the number \(value) has no unit", hint: "write \"\(value)MiB\", \"\(value)MB\" or \"\(value)B\"")
        case (.table(let specifications), .table(let entries)):
            return .table(options(of: entries, as: specifications, path: key, location: node.location))
        case (.list(let item), .array(let items)):
            guard !items.isEmpty else { return refuse(node, key, "the list is empty", type) }
            return .list(items.enumerated().compactMap { value(of: $1, as: item, key: "\(key)[\($0)]") })
        case (.oneOrMore(let item), .array):
            return value(of: node, as: .list(item), key: key)
        case (.oneOrMore(let item), _):
            return value(of: node, as: item, key: key)
        case (_, .text(let text)):
            return self.text(text, node, as: type, key: key)
        default:
            return refuse(node, key, "\(node.typeName) where \(type.expectation) is wanted", hint: nil)
        }
    }

    private mutating func text(
        _ text: String, _ node: ConfigurationNode, as type: OptionType, key: String
    ) -> OptionValue? {
        switch type {
        case .text, .secret, .column:
            return text.isEmpty ? refuse(node, key, "the text is empty", type) : noControls(text, node, key, type)
        case .relation:
            return text.isEmpty ? refuse(node, key, "the name is empty", type) : noControls(text, node, key, type)
        case .name:
            let isValid =
                !text.isEmpty && text.utf8.count <= 64
                && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) } && text.first != "."
            return isValid ? .text(text) : refuse(node, key, "\"\(text)\" is no such name", type)
        case .path:
            guard text.hasPrefix("/") else { return refuse(node, key, "\"\(text)\" is not absolute", hint: "begin it with a /") }
            return noControls(text, node, key, type)
        case .choice(let words):
            guard !words.contains(text) else { return .text(text) }
            let nearest = Nearest.word(to: text, among: words)
            return refuse(
                node, key, "\"\(text)\" is not known",
                hint: nearest.map { "did you mean \"\($0)\"?" } ?? "write \(type.expectation)")
        case .duration(let range):
            guard let duration = DurationText.parse(text) else {
                return refuse(node, key, "\"\(text)\" is no duration", type)
            }
            return range.contains(duration) ? .duration(duration) : refuse(node, key, "\"\(text)\" is out of range", type)
        case .size(let range):
            guard let size = ByteSize.parse(text) else { return refuse(node, key, "\"\(text)\" is no size", type) }
            return range.contains(size) ? .size(size) : refuse(node, key, "\"\(text)\" is out of range", type)
        case .schedule:
            // Its meaning depends on the job's other keys; whoever reads those parses it.
            return .text(text)
        case .zone:
            do throws(ZoneFiles.Failure) {
                _ = try zones.rules(named: text)
                return .text(text)
            } catch {
                let nearest = Nearest.word(to: text, among: zones.commonNames)
                return refuse(node, key, error.reason, hint: nearest.map { "did you mean \"\($0)\"?" } ?? error.hint)
            }
        case .boolean, .integer, .number, .list, .oneOrMore, .table:
            return refuse(node, key, "\(node.typeName) where \(type.expectation) is wanted", hint: nil)
        }
    }

    private mutating func noControls(
        _ text: String, _ node: ConfigurationNode, _ key: String, _ type: OptionType
    ) -> OptionValue? {
        // A NUL would end the text in C, a line feed would forge lines in the journal.
        text.unicodeScalars.contains { $0.properties.generalCategory == .control }
            ? refuse(node, key, "the text has a control character in it", type) : .text(text)
    }

    private mutating func refuse(
        _ node: ConfigurationNode, _ key: String, _ reason: String, _ type: OptionType
    ) -> OptionValue? {
        refuse(node, key, reason, hint: "write \(type.expectation)")
    }

    private mutating func refuse(
        _ node: ConfigurationNode, _ key: String, _ reason: String, hint: String?
    ) -> OptionValue? {
        report(ConfigurationProblem(node.location, key: key, reason, hint: hint))
        return nil
    }
}
