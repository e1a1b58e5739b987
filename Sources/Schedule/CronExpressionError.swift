/// What is wrong with a cron expression, and what would be accepted.
package struct CronExpressionError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The field that is meant, in words; `nil` when the expression as a whole is.
    package let field: String?
    /// The character that it begins at, from 1.
    package let column: Int
    /// What is wrong, lower case, no final stop.
    package let reason: String
    /// What to write instead, to follow a comma.
    package let accepted: String

    init(field: String?, column: Int, reason: String, accepted: String) {
        self.field = field
        self.column = column
        self.reason = reason
        self.accepted = accepted
    }

    /// Field, column and reason.
    package var message: String { field.map { "\($0) (column \(column)): \(reason)" } ?? reason }

    /// All in one line.
    package var description: String { "\(message), \(accepted)" }
}
