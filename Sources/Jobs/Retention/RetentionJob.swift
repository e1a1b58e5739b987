import Postgres
import Schedule

/// Deletes the rows of a table that are older than a limit, in small transactions.
package struct RetentionJob: Job {
    /// `retention`.
    package static let kind = "retention"
    /// For the manual.
    package static let summary = "deletes rows of a table that are older than a limit"
    /// A missed purge is made up for.
    package static let catchesUpByDefault = true
    /// Rows are gone for ever.
    package static let isDestructive = true
    /// The options of this kind.
    package static let options: [OptionSpecification] = [
        OptionSpecification("table", .relation, required: true, "The table to purge."),
        OptionSpecification(
            "column", .column, required: true, "The column that tells a row's age: timestamp, timestamptz or date."),
        OptionSpecification(
            "keep", .duration(.seconds(3600)...(.seconds(36500 * 86400))), required: true,
            "How old a row may become; a day is 24 hours. The server's clock tells what is older."),
        OptionSpecification(
            "batch_rows", .integer(1...1_000_000), default: .integer(10_000), "How many rows a transaction deletes at most."),
        OptionSpecification(
            "pause", .duration(.milliseconds(1)...(.seconds(3600))), defaultText: "none", "How long to wait between two batches."),
        OptionSpecification(
            "lock_timeout", .duration(.milliseconds(100)...(.seconds(60))), default: .duration(.seconds(2)),
            "How long a batch may wait for a lock that somebody else holds; it is tried five times."),
        OptionSpecification(
            "max_clock_difference", .duration(.seconds(1)...(.seconds(86400))), default: .duration(.seconds(600)),
            "Nothing is deleted if the clocks of this host and of the server differ by more."),
    ]

    let table: QualifiedName
    let column: String
    let keep: Duration
    let batchRows: Int
    let pause: Duration?
    let lockTimeout: Duration
    let maxClockDifference: Duration

    /// Made of validated options.
    package init?(name: String, options: OptionValues, problems: inout [OptionProblem]) {
        guard let tableText = options.text("table"), let column = options.text("column"), let keep = options.duration("keep") else {
            return nil
        }
        do throws(QualifiedNameError) {
            table = try QualifiedName(tableText)
        } catch {
            problems.append(OptionProblem("table", "\(error)", hint: "Write a name such as \"activities\" or \"audit.events\"."))
            return nil
        }
        if keep < .seconds(2 * 86400) {
            problems.append(
                OptionProblem(
                    "keep", "is shorter than two days",
                    hint: "Rows that the application did not write itself may be off by the session's zone.", isWarning: true))
        }
        self.column = column
        self.keep = keep
        batchRows = options.integer("batch_rows") ?? 10_000
        pause = options.duration("pause")
        lockTimeout = options.duration("lock_timeout") ?? .seconds(2)
        maxClockDifference = options.duration("max_clock_difference") ?? .seconds(600)
    }

    /// Deletes, or says what would be deleted.
    package func run(in context: JobContext) async throws(JobError) -> JobSummary {
        let connection = try await context.connect(lockTimeout: lockTimeout)
        let result: Result<JobSummary, JobError>
        do throws(JobError) {
            result = .success(try await RetentionRun(job: self, context: context, connection: connection).run())
        } catch {
            result = .failure(error)
        }
        await connection.close()
        return try result.get()
    }

    /// Table, column, type, privileges, index, foreign keys.
    package func findings(in context: JobContext) async throws(JobError) -> [Finding] {
        let connection = try await context.connect(lockTimeout: lockTimeout)
        let result: Result<[Finding], JobError>
        do throws(JobError) {
            result = .success(try await findings(on: connection, zone: context.database.timestamps))
        } catch {
            result = error.isOfConfiguration ? .success([.error(error)]) : .failure(error)
        }
        await connection.close()
        return try result.get()
    }

    private func findings(on connection: PostgresConnection, zone: String) async throws(JobError) -> [Finding] {
        let found = try await ConfiguredTable.find(table, on: connection)
        let type = try TimeColumnType.of(try await found.column(column, on: connection).type, column: column)
        // The server knows other zones than this host may.
        _ = try await RetentionQueries.cutoff(type, keep: keep, zone: zone, on: connection)
        var findings: [Finding] = []
        let leaves = try await RetentionQueries.leaves(of: found, on: connection)
        if found.hidesRows || leaves.contains(where: \.hidesRows) {
            findings.append(
                .error(
                    "row-level security may hide rows of \(table.description)", hint: "Give the role BYPASSRLS.",
                    code: .permissionDenied))
        }
        for leaf in leaves {
            // Rows go out of each partition by their place in it, so what is granted on the whole does not do.
            let lacking = try await asking("looking at privileges") { () throws(PostgresError) in
                try await connection.query(
                    "SELECT string_agg(p, ', ') FROM unnest(ARRAY['SELECT', 'DELETE']) p WHERE NOT has_table_privilege($1::bigint::oid, p)",
                    [.text(String(leaf.oid))]
                ).scalar
            }
            if let lacking {
                findings.append(
                    .error(
                        "the role \(connection.user) lacks \(lacking) on \(leaf.description)",
                        hint: "GRANT \(lacking) ON \(leaf.sql) TO \(quoteIdentifier(connection.user));", code: .permissionDenied))
            }
            if try await RetentionQueries.index(of: leaf, column: column, on: connection) == nil {
                findings.append(
                    .warning(
                        "no index on \(leaf.name).\(column), so each run reads the whole table",
                        hint: "CREATE INDEX CONCURRENTLY ON \(leaf.sql) (\(quoteIdentifier(column)));"))
            }
        }
        let keys = try await asking("looking at foreign keys") { () throws(PostgresError) in
            try await connection.query(
                """
                SELECT conname, conrelid::regclass::text AS referrer, confdeltype::text AS action FROM pg_constraint
                WHERE contype = 'f' AND confrelid = $1::bigint::oid AND conparentid = 0 ORDER BY 1
                """, [.text(String(found.oid))])
        }
        for key in keys {
            let name = key.string("conname") ?? ""
            let referrer = key.string("referrer") ?? ""
            findings.append(
                key.string("action") == "c"
                    ? .warning("rows of \(referrer) are deleted along with theirs (\(name), ON DELETE CASCADE)")
                    : .warning("rows that \(referrer) refers to cannot be deleted (\(name))"))
        }
        return findings
    }
}
