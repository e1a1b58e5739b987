import Foundation
import GRDB
import Schedule

/// A job that does not run by its schedule until somebody says so, or until a time.
package struct Pause: Hashable, Sendable {
    /// The job's name.
    package let job: String
    /// When it was paused.
    package let since: Instant
    /// When it goes on by itself; `nil` if somebody must say so.
    package let until: Instant?
    /// What the person who paused it said.
    package let reason: String?

    /// A pause of a job.
    package init(job: String, since: Instant, until: Instant?, reason: String?) {
        self.job = job
        self.since = since
        self.until = until
        self.reason = reason
    }
}

extension History {
    /// Pauses a job; a pause that it has already is replaced.
    package func pause(_ pause: Pause) async throws(Failure) {
        try await write { database in
            try database.execute(
                sql: "INSERT OR REPLACE INTO pauses (job, since, until, reason) VALUES (?, ?, ?, ?)",
                arguments: [
                    pause.job, pause.since.microsecondsSinceEpoch, pause.until?.microsecondsSinceEpoch, pause.reason,
                ])
        }
    }

    /// Ends the pause of a job.
    ///
    /// - Returns: whether it was paused at that instant.
    package func resume(_ job: String, at now: Instant) async throws(Failure) -> Bool {
        try await write { database in
            let paused = try Bool.fetchOne(
                database, sql: "SELECT until IS NULL OR until > ? FROM pauses WHERE job = ?",
                arguments: [now.microsecondsSinceEpoch, job])
            try database.execute(sql: "DELETE FROM pauses WHERE job = ?", arguments: [job])
            return paused ?? false
        }
    }

    /// The pauses that hold at an instant, by job.
    package func pauses(at now: Instant) async throws(Failure) -> [String: Pause] {
        try await read { database in
            let rows = try Row.fetchAll(
                database, sql: "SELECT * FROM pauses WHERE until IS NULL OR until > ?", arguments: [now.microsecondsSinceEpoch])
            return Dictionary(
                rows.map { row in
                    let until = (row["until"] as Int64?).map(Instant.init(microsecondsSinceEpoch:))
                    let since = Instant(microsecondsSinceEpoch: row["since"])
                    return (row["job"], Pause(job: row["job"], since: since, until: until, reason: row["reason"]))
                }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// Takes the clock for right: fires that were recorded for a later time, by a clock that was ahead, say nothing about the
    /// schedule any more.
    ///
    /// - Returns: how many there were.
    package func distrustFires(after now: Instant) async throws(Failure) -> Int {
        try await write { database in
            try database.execute(
                sql: "UPDATE runs SET distrusted = 1 WHERE scheduled_at > ? AND NOT distrusted",
                arguments: [now.microsecondsSinceEpoch])
            return database.changesCount
        }
    }

    /// Whether there is a record of a fire that is still to come.
    package func hasTrustedFire(after now: Instant) async throws(Failure) -> Bool {
        try await read { database in
            try Bool.fetchOne(
                database, sql: "SELECT EXISTS (SELECT 1 FROM runs WHERE scheduled_at > ? AND NOT distrusted)",
                arguments: [now.microsecondsSinceEpoch]) ?? false
        }
    }
}
