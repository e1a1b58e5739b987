import Foundation
import GRDB
import Schedule

/// What became of the attempt to take a fire.
package enum Claim: Hashable, Sendable {
    /// It is ours; the run is in the history.
    case taken
    /// There is a record of it already.
    case alreadyTaken
}

extension History {
    /// Writes that a run begins, before it does.
    ///
    /// For a run that has a fire this takes the fire: of all who try, one gets ``Claim/taken``.
    ///
    /// - Throws: ``Failure`` if the history cannot be written; the run must then not begin.
    package func begin(_ run: RunRecord) async throws(Failure) -> Claim {
        try await write { database in
            try Self.insert(run, into: database) ? .taken : .alreadyTaken
        }
    }

    /// Writes how a run ended.
    package func end(_ run: RunRecord) async throws(Failure) {
        try await write { database in
            try database.execute(
                sql: """
                    UPDATE runs SET ended_at = ?, outcome = ?, skip_reason = ?, error_code = ?, message = ?, hint = ?,
                        sqlstate = ?, path = ?, measures = ?, warnings = ?
                    WHERE id = ? AND ended_at IS NULL
                    """,
                arguments: [
                    run.endedAt?.microsecondsSinceEpoch, run.outcome?.rawValue, run.skipReason?.rawValue, run.errorCode,
                    run.message, run.hint, run.sqlState, run.path, try Self.json(run.measures),
                    try Self.json(run.warnings), run.id,
                ])
        }
    }

    /// Writes that a failed run is to be tried again: should this process end before, the next one does it.
    package func noteRetry(of key: JobKey, fire: Instant, afterAttempt attempt: Int, at instant: Instant) async throws(Failure) {
        try await write { database in
            try database.execute(
                sql: "UPDATE runs SET retry_at = ? WHERE job = ? AND database = ? AND scheduled_at = ? AND attempt = ?",
                arguments: [
                    instant.microsecondsSinceEpoch, key.job, key.database, fire.microsecondsSinceEpoch, attempt,
                ])
        }
    }

    /// Writes that a fire did not become a run. A fire that has a record keeps the one that it has.
    package func record(skipped run: RunRecord) async throws(Failure) {
        _ = try await write { try Self.insert(run, into: $0) }
    }

    /// The runs that began and have not ended, oldest first.
    package func unfinishedRuns() async throws(Failure) -> [RunRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM runs WHERE ended_at IS NULL ORDER BY started_at")
                .compactMap(Self.run)
        }
    }

    /// Past runs, newest first.
    ///
    /// - Parameters:
    ///   - job: only of this job.
    ///   - limit: so many at most.
    package func runs(ofJob job: String? = nil, limit: Int) async throws(Failure) -> [RunRecord] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: "SELECT * FROM runs WHERE ?1 IS NULL OR job = ?1 ORDER BY started_at DESC, id DESC LIMIT ?2",
                arguments: [job, limit]
            ).compactMap(Self.run)
        }
    }

    /// The newest record of each job on each database that is not a skipped fire.
    package func latestRuns() async throws(Failure) -> [JobKey: RunRecord] {
        try await read { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM (
                        SELECT *, row_number() OVER (PARTITION BY job, database ORDER BY started_at DESC, id DESC) AS place
                        FROM runs WHERE outcome IS NOT 'skipped'
                    ) WHERE place = 1
                    """)
            return Dictionary(rows.compactMap(Self.run).map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// Notes the jobs that there are, and tells what is remembered of each.
    ///
    /// A job that was not known, or was not configured meanwhile, is first seen `now`. A job whose schedule changed starts anew
    /// with the new one. Neither has fires in the past that anybody could have missed.
    ///
    /// - Parameter schedules: every job's schedule with its zone, as one text that changes when either does.
    package func remember(_ schedules: [JobKey: String], at now: Instant) async throws(Failure) -> [JobKey: JobMemory] {
        try await write { database in
            for row in try Row.fetchAll(database, sql: "SELECT job, database FROM jobs") {
                let key = JobKey(job: row["job"], database: row["database"])
                guard schedules[key] == nil else { continue }
                try database.execute(
                    sql: "DELETE FROM jobs WHERE job = ? AND database = ?", arguments: [key.job, key.database])
            }
            let note = try database.makeStatement(
                sql: """
                    INSERT INTO jobs (job, database, schedule, first_seen) VALUES (?1, ?2, ?3, ?4)
                    ON CONFLICT (job, database) DO UPDATE SET schedule = ?3, first_seen = ?4 WHERE schedule <> ?3
                    """)
            let seen = try database.makeStatement(sql: "SELECT first_seen FROM jobs WHERE job = ? AND database = ?")
            let last = try database.makeStatement(
                sql: """
                    SELECT scheduled_at, attempt, outcome, error_code, retry_at FROM runs
                    WHERE job = ? AND database = ? AND scheduled_at IS NOT NULL AND NOT distrusted
                    ORDER BY scheduled_at DESC, attempt DESC LIMIT 1
                    """)
            let success = try database.makeStatement(
                sql: """
                    SELECT scheduled_at FROM runs
                    WHERE job = ? AND database = ? AND scheduled_at IS NOT NULL AND NOT distrusted AND outcome = 'succeeded'
                    ORDER BY scheduled_at DESC LIMIT 1
                    """)
            var memory: [JobKey: JobMemory] = [:]
            for (key, schedule) in schedules {
                try note.execute(arguments: [key.job, key.database, schedule, now.microsecondsSinceEpoch])
                let names: StatementArguments = [key.job, key.database]
                guard let firstSeen = try Int64.fetchOne(seen, arguments: names) else { continue }
                var known = JobMemory(firstSeen: Instant(microsecondsSinceEpoch: firstSeen), schedule: schedule)
                known.lastSuccess = Self.instant(try Int64.fetchOne(success, arguments: names))
                if let row = try Row.fetchOne(last, arguments: names) {
                    let fire = Instant(microsecondsSinceEpoch: row["scheduled_at"])
                    known.lastFire = fire
                    // Neither is there while the run is going.
                    let (outcome, code) = (row["outcome"] as String?, row["error_code"] as String?)
                    // A run that a stop cut off did not fail; it only has not been done.
                    if outcome == Outcome.cancelled.rawValue, code == "cancelled" {
                        known.interrupted = InterruptedRun(fire: fire, attempt: row["attempt"], wasStopped: true)
                    } else if code == "interrupted" || row["retry_at"] != nil, fire >= known.firstSeen {
                        // The process that found it cut off, or in which it failed, ended before it could be tried again.
                        known.interrupted = InterruptedRun(fire: fire, attempt: row["attempt"])
                    }
                }
                memory[key] = known
            }
            return memory
        }
    }

    /// What the history has of a fire: its own records, the last attempt last, or the one record that stands for it and others.
    package func records(of key: JobKey, at fire: Instant) async throws(Failure) -> [RunRecord] {
        try await read { database in
            let own = try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM runs WHERE job = ? AND database = ? AND scheduled_at = ? AND NOT distrusted ORDER BY attempt
                    """,
                arguments: [key.job, key.database, fire.microsecondsSinceEpoch]
            ).compactMap(Self.run)
            guard own.isEmpty else { return own }
            return try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM runs WHERE job = ?1 AND database = ?2 AND passed_first <= ?3 AND scheduled_at > ?3
                        AND NOT distrusted
                    ORDER BY scheduled_at LIMIT 1
                    """,
                arguments: [key.job, key.database, fire.microsecondsSinceEpoch]
            ).compactMap(Self.run)
        }
    }

    /// Since when a job, with the schedule that it has, is known; `nil` if it is not.
    package func firstSeen(_ key: JobKey) async throws(Failure) -> Instant? {
        try await read { database in
            Self.instant(
                try Int64.fetchOne(
                    database, sql: "SELECT first_seen FROM jobs WHERE job = ? AND database = ?", arguments: [key.job, key.database])
            )
        }
    }

    /// How long the newest successful runs of each job took.
    ///
    /// - Parameter limit: so many of each job at most.
    package func durations(limit: Int) async throws(Failure) -> [JobKey: [Duration]] {
        try await read { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT job, database, ended_at - started_at AS took FROM (
                        SELECT *, row_number() OVER (PARTITION BY job, database ORDER BY started_at DESC) AS place
                        FROM runs WHERE outcome = 'succeeded' AND ended_at IS NOT NULL
                    ) WHERE place <= ?
                    """, arguments: [limit])
            return Dictionary(grouping: rows, by: { JobKey(job: $0["job"], database: $0["database"]) })
                .mapValues { $0.map { .microseconds($0["took"] as Int64) } }
        }
    }

    /// Removes what is older than anybody asks for: runs and skipped fires beyond that age, but the latest of each job.
    package func forgetRuns(startedBefore limit: Instant) async throws(Failure) {
        try await write { database in
            try database.execute(
                sql: """
                    DELETE FROM runs WHERE started_at < ? AND id NOT IN (
                        SELECT id FROM (
                            SELECT id, row_number() OVER (PARTITION BY job, database, outcome ORDER BY started_at DESC) AS place
                            FROM runs
                        ) WHERE place = 1)
                    """,
                arguments: [limit.microsecondsSinceEpoch])
        }
    }

    private static func insert(_ run: RunRecord, into database: Database) throws -> Bool {
        try database.execute(
            sql: """
                INSERT OR IGNORE INTO runs (
                    id, job, database, kind, trigger, attempt, scheduled_at, started_at, ended_at, outcome, skip_reason,
                    passed_first, passed_count, error_code, message, hint, sqlstate, path, measures, warnings)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                run.id, run.key.job, run.key.database, run.kind, run.trigger.rawValue, run.attempt,
                run.scheduledAt?.microsecondsSinceEpoch, run.startedAt.microsecondsSinceEpoch,
                run.endedAt?.microsecondsSinceEpoch, run.outcome?.rawValue, run.skipReason?.rawValue,
                run.passed?.first.microsecondsSinceEpoch, run.passed?.count, run.errorCode, run.message, run.hint,
                run.sqlState, run.path, try json(run.measures), try json(run.warnings),
            ])
        return database.changesCount == 1
    }

    /// A row as a record; `nil` for a row whose words a later version wrote.
    private static func run(_ row: Row) -> RunRecord? {
        guard let trigger = Trigger(rawValue: row["trigger"]) else { return nil }
        var run = RunRecord(
            id: row["id"], key: JobKey(job: row["job"], database: row["database"]), kind: row["kind"], trigger: trigger,
            attempt: row["attempt"], scheduledAt: instant(row["scheduled_at"]),
            startedAt: Instant(microsecondsSinceEpoch: row["started_at"]))
        run.endedAt = instant(row["ended_at"])
        run.outcome = (row["outcome"] as String?).flatMap(Outcome.init)
        run.skipReason = (row["skip_reason"] as String?).flatMap(SkipReason.init)
        if let first = instant(row["passed_first"]), let count = row["passed_count"] as Int? {
            run.passed = PassedFires(first: first, count: count)
        }
        run.errorCode = row["error_code"]
        run.message = row["message"]
        run.hint = row["hint"]
        run.sqlState = row["sqlstate"]
        run.path = row["path"]
        run.measures = decoded(row["measures"]) ?? []
        run.warnings = decoded(row["warnings"]) ?? []
        return run
    }

    static func instant(_ microseconds: Int64?) -> Instant? {
        microseconds.map(Instant.init(microsecondsSinceEpoch:))
    }

    private static func json(_ value: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
    }

    private static func decoded<Value: Decodable>(_ text: String) -> Value? {
        try? JSONDecoder().decode(Value.self, from: Data(text.utf8))
    }
}
