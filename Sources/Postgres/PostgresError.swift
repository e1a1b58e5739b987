/// What the server, or libpq on the way to it, had against a call.
package struct PostgresError: Error, Sendable, Hashable {
    /// The server's code; `nil` where the server said nothing (no connection, a cancelled task).
    package var sqlState: SQLState?
    /// What went wrong, in the server's language, without a secret.
    package var message: String
    /// The server's second sentence.
    package var detail: String?
    /// What to do, from the server or from us.
    package var hint: String?
    /// `ERROR`, `FATAL` or `PANIC`, never localised; `nil` where the server said nothing.
    package var severity: String?
    /// Schema of the object that the error is about.
    package var schema: String?
    /// Table that the error is about.
    package var table: String?
    /// Column that the error is about.
    package var column: String?
    /// Data type that the error is about.
    package var dataType: String?
    /// Constraint that was violated.
    package var constraint: String?
    /// Position in the statement, in characters from 1.
    package var position: Int?
    /// Whether there is no connection (any more): never reached, or gone in mid-sentence.
    package var isConnectionLost: Bool
    /// Whether our own task was cancelled; a statement that the server cancelled by itself is `SQLState.queryCanceled`.
    package var isCancelled: Bool

    /// An error of the server or of libpq.
    package init(
        _ message: String, sqlState: SQLState? = nil, detail: String? = nil, hint: String? = nil,
        severity: String? = nil, isConnectionLost: Bool = false, isCancelled: Bool = false
    ) {
        self.message = message
        self.sqlState = sqlState
        self.detail = detail
        self.hint = hint
        self.severity = severity
        self.isConnectionLost = isConnectionLost
        self.isCancelled = isCancelled
    }

    /// The task was cancelled; the statement has been rolled back and the connection can still be used.
    package static let cancelled = PostgresError("the statement was cancelled", isCancelled: true)

    /// Whether the same call may succeed a little later without anybody's help.
    ///
    /// A statement cancelled by the server (57014) is not: one that is too long for `statement_timeout` is too long again.
    package var isWorthRetrying: Bool {
        if isCancelled { return false }
        guard let sqlState else { return isConnectionLost }
        switch sqlState {
        case .deadlockDetected, .serializationFailure, .lockNotAvailable, .objectInUse, .tooManyConnections,
            .outOfMemory,
            .adminShutdown, .crashShutdown, .cannotConnectNow, .idleInTransactionTimeout, .idleSessionTimeout:
            return true
        case .protocolViolation:
            return false
        default:
            return sqlState.class == .connectionException
        }
    }
}

extension PostgresError: CustomStringConvertible {
    /// Message, code, detail and hint in one line.
    package var description: String {
        var text = message
        if let sqlState { text += " (SQLSTATE \(sqlState))" }
        if let detail { text += "; \(detail)" }
        if let hint { text += "; hint: \(hint)" }
        return text
    }
}
