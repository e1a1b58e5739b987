import Postgres

/// Why a run failed: a code that programs rely on, a message and a remedy for people.
package struct JobError: Error, Sendable {
    /// The stable codes. A code is never renamed: alerts and scripts match on it.
    package enum Code: String, Sendable, CaseIterable {
        case databaseUnreachable = "database-unreachable"
        case databaseRefused = "database-refused"
        case databaseMissing = "database-missing"
        case permissionDenied = "permission-denied"
        case relationMissing = "relation-missing"
        case columnUnfit = "column-unfit"
        case lockTimeout = "lock-timeout"
        case rowsProtected = "rows-protected"
        case statementFailed = "statement-failed"
        case clockDisagrees = "clock-disagrees"
        case programMissing = "program-missing"
        case programTooOld = "program-too-old"
        case programFailed = "program-failed"
        case diskFull = "disk-full"
        case fileSystem = "file-system"
        case backupDamaged = "backup-damaged"
        case backupUnknown = "backup-unknown"
        case databaseExists = "database-exists"
        case locked = "locked"
        case poolerDetected = "pooler-detected"
        case lockLost = "lock-lost"
        case timedOut = "timed-out"
        case cancelled = "cancelled"
        case windowEnded = "window-ended"
        case interrupted = "interrupted"
        case historyUnavailable = "history-unavailable"
        case badConfiguration = "bad-configuration"
        case unexpected = "unexpected"
    }

    /// What kind of failure it is.
    package let code: Code
    /// What failed, lower case, no final stop, no secret.
    package let message: String
    /// What to do, a full sentence.
    package let hint: String?
    /// The server's code, where the server said no.
    package let sqlState: String?
    /// Whether the same run may succeed a little later without anybody's help.
    package let isWorthRetrying: Bool
    /// What the run had done until then.
    package let measures: [Measure]
    /// Further lines that explain the failure, such as the end of a program's standard error.
    package let details: String?

    /// A failure with its remedy.
    package init(
        _ code: Code, _ message: String, hint: String? = nil, sqlState: String? = nil, isWorthRetrying: Bool = false,
        measures: [Measure] = [], details: String? = nil
    ) {
        self.code = code
        self.message = message
        self.hint = hint
        self.sqlState = sqlState
        self.isWorthRetrying = isWorthRetrying
        self.measures = measures
        self.details = details
    }

    /// The same failure, with what the run had done until then.
    package func with(measures: [Measure]) -> JobError {
        JobError(
            code, message, hint: hint, sqlState: sqlState, isWorthRetrying: isWorthRetrying,
            measures: self.measures + measures, details: details)
    }

    /// The same failure without the lines that may quote a row.
    package var withoutDetails: JobError {
        JobError(code, message, hint: hint, sqlState: sqlState, isWorthRetrying: isWorthRetrying, measures: measures)
    }

    /// Whether what the configuration names does not fit the database, so that `check` tells it as a finding.
    var isOfConfiguration: Bool {
        code == .relationMissing || code == .columnUnfit || code == .permissionDenied
            || sqlState == SQLState.invalidParameterValue.rawValue
    }

    /// A run that was told to end.
    package static let cancelled = JobError(.cancelled, "cancelled")
}
