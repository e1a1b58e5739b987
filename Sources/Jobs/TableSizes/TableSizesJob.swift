import History
import Logging
import Postgres
import Schedule

/// Measures every table, and warns when one crosses a threshold.
package struct TableSizesJob: Job {
    /// `table-sizes`.
    package static let kind = "table-sizes"
    /// For the manual.
    package static let summary = "measures every table and warns of sizes and growth"
    /// The next sample is as good as the one that was missed.
    package static let catchesUpByDefault = false
    /// Nothing is taken away.
    package static let isDestructive = false
    /// The options of this kind.
    package static let options: [OptionSpecification] = [
        OptionSpecification(
            "lock_timeout", .duration(.milliseconds(100)...(.seconds(60))), default: .duration(.seconds(1)),
            "How long the query may wait for a lock; tables that somebody holds exclusively are left out."),
        OptionSpecification("warn_size", .size(1...Int64.max), "Warn when a table, indexes and all, has this size."),
        OptionSpecification("warn_growth_per_day", .size(1...Int64.max), "Warn when a table grows by this much a day."),
    ]

    /// Everything in one snapshot. The size functions lock each table, its indexes and its store of long values for a moment, so
    /// tables of which one of these is held exclusively, or is waited for so, are left out: they would make the whole query wait.
    /// REINDEX holds nothing but an index like this.
    private static let query = """
        WITH locked AS MATERIALIZED (
            SELECT DISTINCT relation FROM pg_locks
            WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND pid <> pg_backend_pid()),
        parts AS MATERIALIZED (
            SELECT relation FROM locked
            UNION SELECT i.indrelid FROM locked l JOIN pg_index i ON i.indexrelid = l.relation),
        held AS MATERIALIZED (
            SELECT relation FROM parts
            UNION SELECT c.oid FROM parts p JOIN pg_class c ON c.reltoastrelid = p.relation)
        SELECT n.nspname, c.relname, h.relation IS NOT NULL AS is_held,
            CASE WHEN h.relation IS NULL THEN pg_table_size(c.oid) END AS table_bytes,
            CASE WHEN h.relation IS NULL AND c.reltoastrelid <> 0 THEN pg_total_relation_size(c.reltoastrelid) ELSE 0 END AS toast,
            CASE WHEN h.relation IS NULL THEN pg_indexes_size(c.oid) END AS indexes,
            pg_stat_get_live_tuples(c.oid) AS live, pg_stat_get_dead_tuples(c.oid) AS dead
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN held h ON h.relation = c.oid
        WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
            AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        """

    private let lockTimeout: Duration
    private let thresholds: SizeThresholds

    /// Made of validated options.
    package init?(name: String, options: OptionValues, problems: inout [OptionProblem]) {
        lockTimeout = options.duration("lock_timeout") ?? .seconds(1)
        thresholds = SizeThresholds(size: options.size("warn_size"), growthPerDay: options.size("warn_growth_per_day"))
    }

    /// Measures.
    package func run(in context: JobContext) async throws(JobError) -> JobSummary {
        let connection = try await context.connect(lockTimeout: lockTimeout, statementTimeout: .seconds(60))
        let measured: Result<(rows: Rows, databaseBytes: Int64), JobError>
        do throws(JobError) {
            // A lock that somebody took after the query had looked for locks is seen by the next attempt.
            let rows = try await insisting("measuring tables", context.clock) { () throws(PostgresError) in
                try await connection.query(Self.query)
            }
            let bytes = try await asking("measuring the database") { () throws(PostgresError) in
                try await connection.query("SELECT pg_database_size(current_database())").scalar
            }
            measured = .success((rows, bytes.flatMap { Int64($0) } ?? 0))
        } catch {
            measured = .failure(error)
        }
        await connection.close()
        return try await summary(of: try measured.get(), context)
    }

    private func summary(
        of measured: (rows: Rows, databaseBytes: Int64), _ context: JobContext
    ) async throws(JobError) -> JobSummary {
        let relations = measured.rows.compactMap { row -> RelationSize? in
            guard let schema = row.string("nspname"), let name = row.string("relname"), let table = row.int64("table_bytes")
            else { return nil }
            let toast = row.int64("toast") ?? 0
            return RelationSize(
                schema: schema, name: name, heap: table - toast, indexes: row.int64("indexes") ?? 0, toast: toast,
                liveRows: row.int64("live") ?? 0, deadRows: row.int64("dead") ?? 0)
        }
        let held = measured.rows.filter { $0.bool("is_held") == true }.map {
            QualifiedName(schema: $0.string("nspname"), name: $0.string("relname") ?? "")
        }
        let skipped = Int64(held.count)
        let sample = SizeSample(
            database: context.database.name, takenAt: context.clock.now(), databaseBytes: measured.databaseBytes,
            relations: relations)
        if !context.isDryRun { try await keep(sample, skipped: held, context) }
        let busy = skipped > 0 ? "; \(HumanText.count(skipped, "table")) held by somebody left out" : ""
        return JobSummary(
            "measured \(HumanText.count(Int64(relations.count), "table")), the database has \(HumanText.bytes(measured.databaseBytes))\(busy)",
            measures: [
                Measure("tables", Int64(relations.count)), Measure("tables_skipped", skipped),
                Measure("database_bytes", measured.databaseBytes),
            ])
    }

    private func keep(_ sample: SizeSample, skipped: [QualifiedName], _ context: JobContext) async throws(JobError) {
        do {
            let database = sample.database
            let dayBefore = sample.takenAt - .seconds(86400)
            let earlier = SizeThresholds.reference(
                for: sample.takenAt,
                among: [
                    try await context.sizes.sample(of: database, notAfter: dayBefore + SizeThresholds.jitter),
                    try await context.sizes.sample(of: database, notAfter: sample.takenAt - SizeThresholds.shortestInterval),
                ])
            try await context.sizes.record(sample)
            let judgement = thresholds.judgement(of: sample, since: earlier, skipped: skipped)
            let before = try await context.sizes.crossedThresholds(job: context.job, database: database)
            let now = judgement.crossed(before: before)
            for crossing in judgement.crossings where !before.contains(crossing.name) {
                context.logger.warning("\(crossing.message)", metadata: ["event": "threshold-crossed"])
            }
            for name in before.subtracting(now).sorted() {
                context.logger.notice("\(name) is below its threshold again", metadata: ["event": "threshold-cleared"])
            }
            try await context.sizes.setCrossedThresholds(now, job: context.job, database: sample.database)
            try await context.sizes.thin(database: sample.database, at: sample.takenAt)
        } catch {
            throw JobError(
                .historyUnavailable, "the sample cannot be kept: \(error)",
                hint: "Check the free space of the state directory.", isWorthRetrying: true)
        }
    }

    /// Nothing beyond a connection is needed.
    package func findings(in context: JobContext) async throws(JobError) -> [Finding] {
        let connection = try await context.connect(lockTimeout: lockTimeout)
        await connection.close()
        return []
    }
}
