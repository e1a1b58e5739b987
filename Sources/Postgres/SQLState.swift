/// The server's five-character error code, matched by exact code or by class (PostgreSQL, appendix A).
///
/// In a `switch` or `catch`, `SQLState.Class` patterns match every code of the class:
/// ```swift
/// switch error.sqlState { case SQLState.Class.integrityConstraintViolation?: … }
/// ```
package struct SQLState: RawRepresentable, Sendable, Hashable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The first two characters of a code, shared by related conditions.
    package struct Class: RawRepresentable, Sendable, Hashable, ExpressibleByStringLiteral {
        /// The two characters.
        package let rawValue: String

        /// A class by its two characters.
        package init(rawValue: String) {
            self.rawValue = rawValue
        }

        /// A class by its two characters.
        package init(stringLiteral value: String) {
            self.init(rawValue: value)
        }
    }

    /// The five characters.
    package let rawValue: String

    /// A code by its five characters.
    package init(rawValue: String) {
        self.rawValue = rawValue
    }

    /// A code by its five characters.
    package init(stringLiteral value: String) {
        self.init(rawValue: value)
    }

    /// The five characters.
    package var description: String { rawValue }

    /// The class that the code belongs to.
    package var `class`: Class { Class(rawValue: String(rawValue.prefix(2))) }

    /// Lets a class stand as a pattern for its codes.
    package static func ~= (pattern: Class, value: SQLState) -> Bool {
        value.class == pattern
    }
}

extension SQLState.Class {
    /// Class 01: warnings.
    package static let warning: Self = "01"
    /// Class 08: the connection failed.
    package static let connectionException: Self = "08"
    /// Class 22: a value does not fit.
    package static let dataException: Self = "22"
    /// Class 23: a constraint forbids it.
    package static let integrityConstraintViolation: Self = "23"
    /// Class 25: not in this state of the transaction.
    package static let invalidTransactionState: Self = "25"
    /// Class 28: who you are was not accepted.
    package static let invalidAuthorization: Self = "28"
    /// Class 40: the transaction was rolled back and may be tried again.
    package static let transactionRollback: Self = "40"
    /// Class 42: syntax, names and privileges.
    package static let syntaxErrorOrAccessRuleViolation: Self = "42"
    /// Class 53: disk, memory or connections ran out.
    package static let insufficientResources: Self = "53"
    /// Class 55: an object is not in the state that is needed.
    package static let objectNotInPrerequisiteState: Self = "55"
    /// Class 57: an operator, or a limit that one set, stepped in.
    package static let operatorIntervention: Self = "57"
    /// Class 58: the server's system failed.
    package static let systemError: Self = "58"
}

extension SQLState {
    /// 01000, a warning without a code of its own, such as VACUUM's "skipping".
    package static let warning: Self = "01000"
    /// 08P01, one side broke the protocol; poolers use it for what they do not support.
    package static let protocolViolation: Self = "08P01"
    /// 0A000, the server cannot do this.
    package static let featureNotSupported: Self = "0A000"
    /// 22023, a parameter's value is not accepted.
    package static let invalidParameterValue: Self = "22023"
    /// 22P02, a text is no value of that type.
    package static let invalidTextRepresentation: Self = "22P02"
    /// 23502, NULL where none may be.
    package static let notNullViolation: Self = "23502"
    /// 23503, a row is referred to.
    package static let foreignKeyViolation: Self = "23503"
    /// 23505, a value that must be unique is not.
    package static let uniqueViolation: Self = "23505"
    /// 23514, a check constraint says no.
    package static let checkViolation: Self = "23514"
    /// 25001, not inside a transaction block.
    package static let activeTransaction: Self = "25001"
    /// 25006, the server or the transaction is read-only (a standby, for example).
    package static let readOnlyTransaction: Self = "25006"
    /// 25P02, an earlier statement of the transaction failed.
    package static let inFailedTransaction: Self = "25P02"
    /// 25P03, idle in a transaction for too long; the session is gone.
    package static let idleInTransactionTimeout: Self = "25P03"
    /// 28000, the role may not log in like this (peer, pg_hba.conf, no such role).
    package static let invalidAuthorizationSpecification: Self = "28000"
    /// 28P01, wrong password.
    package static let invalidPassword: Self = "28P01"
    /// 3D000, no such database.
    package static let undefinedDatabase: Self = "3D000"
    /// 3F000, no such schema.
    package static let undefinedSchema: Self = "3F000"
    /// 40001, the transaction met another one; try again.
    package static let serializationFailure: Self = "40001"
    /// 40P01, a deadlock was broken at our expense; try again.
    package static let deadlockDetected: Self = "40P01"
    /// 42501, not permitted.
    package static let insufficientPrivilege: Self = "42501"
    /// 42601, not SQL.
    package static let syntaxError: Self = "42601"
    /// 42703, no such column.
    package static let undefinedColumn: Self = "42703"
    /// 42704, no such object (type, role, setting …).
    package static let undefinedObject: Self = "42704"
    /// 42883, no such function or operator.
    package static let undefinedFunction: Self = "42883"
    /// 42P01, no such table.
    package static let undefinedTable: Self = "42P01"
    /// 42P04, the database exists already.
    package static let duplicateDatabase: Self = "42P04"
    /// 42P06, the schema exists already.
    package static let duplicateSchema: Self = "42P06"
    /// 42P07, the table or index exists already.
    package static let duplicateTable: Self = "42P07"
    /// 42710, the object (type, role, trigger …) exists already.
    package static let duplicateObject: Self = "42710"
    /// 53100, the server's disk is full.
    package static let diskFull: Self = "53100"
    /// 53200, the server ran out of memory.
    package static let outOfMemory: Self = "53200"
    /// 53300, no connection slot left.
    package static let tooManyConnections: Self = "53300"
    /// 55006, others still use the object (a database that is to be dropped).
    package static let objectInUse: Self = "55006"
    /// 55P03, a lock was not to be had within `lock_timeout` or `NOWAIT`.
    package static let lockNotAvailable: Self = "55P03"
    /// 57014, the statement was cancelled, by somebody or by `statement_timeout`.
    package static let queryCanceled: Self = "57014"
    /// 57P01, the session was ended by an administrator or by shutdown.
    package static let adminShutdown: Self = "57P01"
    /// 57P02, another backend crashed and took this one along.
    package static let crashShutdown: Self = "57P02"
    /// 57P03, the server is starting, stopping or recovering.
    package static let cannotConnectNow: Self = "57P03"
    /// 57P04, the database was dropped.
    package static let databaseDropped: Self = "57P04"
    /// 57P05, idle for too long; the session is gone.
    package static let idleSessionTimeout: Self = "57P05"
}
