import Logging

/// Turns log events into journal fields (systemd.journal-fields(7)); pure, so that a test can compare the outcome.
package enum JournalFields {
    /// One field of a journal entry. The value may contain anything, newlines too.
    package struct Field: Hashable, Sendable {
        /// Upper case letters, digits and underscores.
        package var name: String
        /// What stands in it.
        package var value: String

        /// Creates a field of that name.
        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// What goes before the name of every metadata field.
    static let prefix = "PGCARETAKER_"
    /// The metadata key whose value is the raw value of a ``JournalEvent``.
    package static let eventKey = "event"
    /// The journal takes no longer names.
    static let longestName = 64

    /// The fields of one entry.
    ///
    /// Metadata values that are arrays become one field for each element; the journal finds an entry by any of them.
    package static func fields(of event: LogEvent, metadata: Logger.Metadata, identifier: String) -> [Field] {
        var fields = [
            Field("MESSAGE", event.message.description),
            Field("PRIORITY", String(priority(of: event.level))),
            Field("SYSLOG_IDENTIFIER", identifier),
            Field("CODE_FILE", event.file),
            Field("CODE_LINE", String(event.line)),
            Field("CODE_FUNC", event.function),
        ]
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            if key == eventKey, let known = JournalEvent(rawValue: value.description) {
                fields.append(Field("MESSAGE_ID", known.messageID))
            } else {
                fields += values(of: value).map { Field(name(for: key), $0) }
            }
        }
        if let error = event.error { fields.append(Field(name(for: "error"), "\(error)")) }
        return fields
    }

    /// The syslog priority of a level (syslog(3)).
    package static func priority(of level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }

    /// The field for a metadata key: `rows_deleted` becomes `PGCARETAKER_ROWS_DELETED`. What a field name may not have
    /// becomes "_".
    package static func name(for key: String) -> String {
        let suffix = key.unicodeScalars.map { scalar -> Character in
            switch scalar {
            case "A"..."Z", "0"..."9": Character(scalar)
            case "a"..."z": Character(Unicode.Scalar(UInt8(scalar.value) - 32))
            default: "_"
            }
        }
        return String((prefix + suffix).prefix(longestName))
    }

    private static func values(of value: Logger.Metadata.Value) -> [String] {
        guard case .array(let elements) = value else { return [value.description] }
        return elements.map(\.description)
    }
}

extension Logger.Metadata {
    /// All metadata of an event: the handler's own, then what the provider knows, then the event's; the later one wins.
    static func merged(_ own: Self, provider: Logger.MetadataProvider?, event: LogEvent) -> Self {
        var merged = own
        if let provided = provider?.get(), !provided.isEmpty { merged.merge(provided) { _, new in new } }
        if let metadata = event.metadata { merged.merge(metadata) { _, new in new } }
        return merged
    }
}
