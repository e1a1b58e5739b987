/// Where something stands in the configuration.
package struct SourceLocation: Hashable, Sendable, Comparable {
    /// The file's path.
    package let file: String
    /// The line, from 1; 0 when the file as a whole is meant.
    package let line: Int

    /// A place in a file.
    package init(file: String, line: Int) {
        self.file = file
        self.line = line
    }

    /// By file, then by line.
    package static func < (left: SourceLocation, right: SourceLocation) -> Bool {
        (left.file, left.line) < (right.file, right.line)
    }
}

/// Something wrong with the configuration, with the place and the remedy.
package struct ConfigurationProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// Where.
    package let location: SourceLocation
    /// The key with the tables that it is in (`jobs.nightly-backup.keep`); `nil` when no key is meant.
    package let key: String?
    /// What is wrong.
    package let reason: String
    /// What to write instead.
    package let hint: String?
    /// Whether the configuration is in force all the same.
    package let isWarning: Bool

    /// A problem of a file.
    package init(
        _ location: SourceLocation, key: String?, _ reason: String, hint: String? = nil, isWarning: Bool = false
    ) {
        self.location = location
        self.key = key
        self.reason = reason
        self.hint = hint
        self.isWarning = isWarning
    }

    /// One line: `file:line: key: reason, hint`.
    package var description: String {
        let place = location.line > 0 ? "\(location.file):\(location.line)" : location.file
        let end = hint.map { ", \(Self.phrase($0))" } ?? ""
        return "\(place): \(key.map { "\($0): " } ?? "")\(isWarning ? "warning: " : "")\(reason)\(end)"
    }

    /// A hint is a sentence elsewhere; behind a comma it goes without its capital and its stop.
    private static func phrase(_ sentence: String) -> String {
        var text = sentence
        if text.hasSuffix("."), !text.hasSuffix("…") { text.removeLast() }
        guard let first = text.first, first.isUppercase, let second = text.dropFirst().first, second.isLowercase else {
            return text
        }
        return first.lowercased() + text.dropFirst()
    }
}
