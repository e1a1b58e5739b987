/// Something that the server said beside its answer: a notice or a warning.
///
/// Some failures are no more than that: `VACUUM` of a table that belongs to somebody else succeeds and warns that it
/// skipped it.
package struct PostgresNotice: Sendable, Hashable, CustomStringConvertible {
    /// `DEBUG`, `LOG`, `INFO`, `NOTICE` or `WARNING`, never localised.
    package let severity: String
    /// The code; `SQLState.warning` for most warnings.
    package let sqlState: SQLState
    /// What the server said.
    package let message: String
    /// The server's second sentence.
    package let detail: String?
    /// What the server advises.
    package let hint: String?

    /// Whether it is a warning rather than information.
    package var isWarning: Bool { severity == "WARNING" }

    /// Severity and message.
    package var description: String { "\(severity): \(message)" }
}
