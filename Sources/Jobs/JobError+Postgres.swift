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
        case .some(.undefinedDatabase):
            self.init(
                .databaseMissing, "there is no \(target.summary): \(error.message)",
                hint: "Correct the name of the database in the connection, or make the database.", sqlState: state)
        case .some(.invalidPassword), .some(.invalidAuthorizationSpecification), .some(.insufficientPrivilege):
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
            (code, hint) = (.databaseUnreachable, "Once the server is back, the next run goes on from there.")
        case .some(.insufficientPrivilege):
            let remedy =
                error.message.contains("row-level security")
                ? "Every row must be seen: give the role BYPASSRLS." : "Grant the role what it lacks; pgcaretaker check names it."
            (code, hint) = (.permissionDenied, error.hint ?? remedy)
        case .some(.undefinedTable), .some(.undefinedColumn):
            (code, hint) = (.relationMissing, "Correct the name in the configuration.")
        case .some(.lockNotAvailable), .some(.deadlockDetected):
            (code, hint) = (.lockTimeout, "Another session holds the lock; it is tried again later.")
        case .some(.diskFull): (code, hint) = (.diskFull, "Make room on the server's disk.")
        case .some(.serializationFailure):
            (code, hint) = (.statementFailed, "Another session changed the same rows meanwhile; it is tried again later.")
        // RESTRICT has a code of its own since PostgreSQL 18.
        case .some(.foreignKeyViolation), .some("23001"): (code, hint) = (.rowsProtected, Self.protection(error))
        case .some(.queryCanceled):
            (code, hint) = (
                .statementFailed,
                "If statement_timeout ended it, raise that for the role or let a statement do less; else somebody cancelled it."
            )
        case .some(.readOnlyTransaction):
            (code, hint) = (
                .statementFailed, "The server is a standby, or default_transaction_read_only is on; connect to the primary."
            )
        default: (code, hint) = (.statementFailed, error.hint)
        }
        self.init(
            code, "\(error.message) (while \(action))", hint: hint, sqlState: state,
            isWorthRetrying: error.isWorthRetrying || error.isConnectionLost, details: error.detail)
    }

    /// Who still refers to rows that were to go, and by what.
    private static func protection(_ error: PostgresError) -> String {
        let referrer = error.table.map { QualifiedName(schema: error.schema, name: $0).description } ?? "another table"
        let constraint = error.constraint.map { " (constraint \($0))" } ?? ""
        return
            "Rows of \(referrer) still refer to them\(constraint); delete those first, or give the constraint ON DELETE CASCADE or SET NULL."
    }

    /// Whether somebody else was in the way for a moment, so that the same statement may do at once.
    static func isPassing(_ error: PostgresError) -> Bool {
        error.sqlState == .lockNotAvailable || error.sqlState == .deadlockDetected || error.sqlState == .serializationFailure
    }
}

/// How often a statement is tried when somebody else holds what it needs.
let insistingAttempts = 5

/// Runs a statement that is a transaction of its own, and again, with growing pauses, when somebody else was in its way.
func insisting<Value: Sendable>(
    _ action: String, _ clock: any JobClock, _ body: () async throws(PostgresError) -> Value
) async throws(JobError) -> Value {
    var wait = Duration.milliseconds(100)
    var attempt = 1
    while true {
        do throws(PostgresError) {
            return try await body()
        } catch {
            guard JobError.isPassing(error), attempt < insistingAttempts else { throw JobError(error, while: action) }
        }
        attempt += 1
        do { try await clock.sleep(for: wait) } catch { throw .cancelled }
        wait = wait * 2
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
