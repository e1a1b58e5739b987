import Postgres

extension JobError {
    /// A connection that could not be made.
    package init(connecting error: PostgresError, to target: ConnectionTarget) {
        if error.isCancelled {
            self = .cancelled
            return
        }
        let state = error.sqlState?.description
        switch error.sqlState {
        case .some(.invalidPassword), .some(.invalidAuthorizationSpecification), .some(.undefinedDatabase),
            .some(.insufficientPrivilege):
            self.init(
                .databaseRefused, "\(target.summary) refused the connection: \(error.message)",
                hint: "Check user, password and database name of the connection, and the server's pg_hba.conf.",
                sqlState: state)
        default:
            self.init(
                .databaseUnreachable, "\(target.summary) cannot be reached: \(error.message)",
                hint: "Check that the server runs and that host and port of the connection are right.", sqlState: state,
                isWorthRetrying: true)
        }
    }

    /// A statement that failed.
    ///
    /// - Parameter action: what was being done, to follow "while ".
    package init(_ error: PostgresError, while action: String) {
        if error.isCancelled {
            self = .cancelled
            return
        }
        let state = error.sqlState?.description
        let code: Code
        let hint: String?
        switch error.sqlState {
        case _ where error.isConnectionLost:
            (code, hint) = (.databaseUnreachable, "The run goes on from where it was when the server is back.")
        case .some(.insufficientPrivilege):
            (code, hint) = (.permissionDenied, error.hint ?? "Grant the role what it lacks; pgcaretaker check names it.")
        case .some(.undefinedTable), .some(.undefinedColumn):
            (code, hint) = (.relationMissing, "Correct the name in the configuration.")
        case .some(.lockNotAvailable), .some(.deadlockDetected):
            (code, hint) = (.lockTimeout, "Another session holds the lock; it is tried again later.")
        case .some(.diskFull): (code, hint) = (.diskFull, "Make room on the server's disk.")
        case .some(.foreignKeyViolation):
            (code, hint) = (
                .rowsProtected,
                "Rows of \(error.table ?? "another table") still refer to them; delete those first, or give the constraint ON DELETE."
            )
        default: (code, hint) = (.statementFailed, error.hint)
        }
        self.init(
            code, "\(error.message) (while \(action))", hint: hint, sqlState: state,
            isWorthRetrying: error.isWorthRetrying || error.isConnectionLost, details: error.detail)
    }
}

/// Runs statements for a job: what the server says becomes the job's error.
package func asking<Value: Sendable>(
    _ action: String, _ body: () async throws(PostgresError) -> Value
) async throws(JobError) -> Value {
    do throws(PostgresError) {
        return try await body()
    } catch {
        throw JobError(error, while: action)
    }
}
