/// Why a connection URL cannot be used. It never contains the URL, nor any part that could be a password.
package struct ConnectionURLError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong, lower case, no final stop.
    package let message: String
    /// What to do, a full sentence.
    package let hint: String?

    init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }

    /// Message and hint in one line.
    package var description: String {
        message + (hint.map { "; hint: \($0)" } ?? "")
    }

    static let percentEncode =
        "Percent-encode special characters of user name and password: @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, "
        + "% as %25."
}

/// What was done with a part of a connection URL that is not passed on as it stands.
package struct ConnectionNotice: Sendable, Hashable, CustomStringConvertible {
    /// How much it matters.
    package enum Level: String, Sendable, Hashable {
        /// Of interest to whoever looks for it.
        case debug
        /// The operator should know.
        case warning
    }

    /// How much it matters.
    package let level: Level
    /// What was done, lower case, no final stop, no secret.
    package let message: String

    /// The message.
    package var description: String { message }

    static func debug(_ message: String) -> ConnectionNotice { ConnectionNotice(level: .debug, message: message) }
    static func warning(_ message: String) -> ConnectionNotice { ConnectionNotice(level: .warning, message: message) }
}
