import Postgres

/// Clears password-reset tokens, and the like, once they have expired.
package struct TokenPurgeJob: Job {
    /// `token-purge`.
    package static let kind = "token-purge"
    /// For the manual.
    package static let summary = "sets a token and its expiry to NULL where the expiry has passed"
    /// A missed purge is made up for.
    package static let catchesUpByDefault = true
    /// Tokens are gone for ever.
    package static let isDestructive = true
    /// The options of this kind.
    package static let options: [OptionSpecification] = [
        OptionSpecification("table", .relation, required: true, "The table with the tokens."),
        OptionSpecification("token", .column, required: true, "The column of the token; it must allow NULL."),
        OptionSpecification(
            "expires", .column, required: true, "The column that tells when the token expires; it must allow NULL."),
        OptionSpecification(
            "batch_rows", .integer(1...100_000), default: .integer(1000), "How many rows a transaction clears at most."),
        OptionSpecification(
            "lock_timeout", .duration(.milliseconds(100)...(.seconds(60))), default: .duration(.seconds(2)),
            "How long a statement may wait for a lock on the table; rows that somebody holds are never waited for."),
    ]

    private let table: QualifiedName
    private let token: String
    private let expires: String
    private let batchRows: Int
    private let lockTimeout: Duration

    /// Made of validated options.
    package init?(name: String, options: OptionValues, problems: inout [OptionProblem]) {
        guard let tableText = options.text("table"), let token = options.text("token"), let expires = options.text("expires")
        else { return nil }
        do throws(QualifiedNameError) {
            table = try QualifiedName(tableText)
        } catch {
            problems.append(OptionProblem("table", "\(error)", hint: "Write a name such as \"users\" or \"auth.users\"."))
            return nil
        }
        guard token != expires else {
            problems.append(OptionProblem("expires", "is the same column as token", hint: "Name the column of the expiry."))
            return nil
        }
        self.token = token
        self.expires = expires
        batchRows = options.integer("batch_rows") ?? 1000
        lockTimeout = options.duration("lock_timeout") ?? .seconds(2)
    }

    /// Clears, or says how many would be cleared.
    package func run(in context: JobContext) async throws(JobError) -> JobSummary {
        let connection = try await context.connect(lockTimeout: lockTimeout)
        let result: Result<JobSummary, JobError>
        do throws(JobError) {
            result = .success(try await purge(context, connection))
        } catch {
            // What the server says of a row that it refuses quotes all of it.
            result = .failure(error.withoutDetails)
        }
        await connection.close()
        return try result.get()
    }

    private func purge(_ context: JobContext, _ connection: PostgresConnection) async throws(JobError) -> JobSummary {
        try await asking("preparing the session") { () throws(PostgresError) in
            _ = try await connection.simple("SET row_security = off")
        }
        let found = try await ConfiguredTable.find(table, on: connection)
        let expiry = try await found.column(expires, on: connection)
        let type = try TimeColumnType.of(expiry.type, column: expires)
        let secret = try await found.column(token, on: connection)
        for (name, column) in [(expires, expiry), (token, secret)] where !column.isNullable {
            throw JobError(.columnUnfit, Self.notNull(name), hint: Self.notNullHint)
        }
        let sql = TokenPurgeQueries(
            table: found.sql, token: token, expires: expires, type: type, zone: context.database.timestamps,
            key: try await TokenPurgeQueries.key(of: found, on: connection))
        if context.isDryRun {
            let count = try await count(sql, connection)
            return JobSummary(
                "would clear \(HumanText.count(count, "expired token")) of \(table.description)",
                measures: [Measure("tokens_to_clear", count)])
        }
        var cleared: Int64 = 0
        var batches: Int64 = 0
        func measures() -> [Measure] { [Measure("tokens_cleared", cleared), Measure("batches", batches)] }
        do throws(JobError) {
            var last: [String]?
            while true {
                guard !Task.isCancelled else { throw JobError.cancelled }
                let position = last
                let statement = sql.batch(limit: batchRows, isFirst: position == nil)
                let rows = try await insisting("clearing tokens of \(found.name)", context.clock) { () throws(PostgresError) in
                    try await connection.query(statement, (position ?? []).map { .text($0) })
                }
                guard let row = rows.first, let seen = row.int64("seen"), seen > 0 else { break }
                cleared += row.int64("cleared") ?? 0
                batches += 1
                context.progress.report(Progress(phase: "clearing", completed: cleared, unit: .rows))
                // The next batch begins behind the last key of this one, so that nothing is looked through twice.
                let keys = (0..<sql.keyCount).compactMap { row.string("key\($0)") }
                guard seen >= Int64(batchRows), keys.count == sql.keyCount else { break }
                last = keys
            }
            let left = try await count(sql, connection)
            let busy = left > 0 ? "; \(HumanText.count(left, "row")) that somebody holds locked come next time" : ""
            return JobSummary(
                cleared > 0
                    ? "cleared \(HumanText.count(cleared, "expired token")) of \(table.description)\(busy)"
                    : "no token of \(table.description) has expired\(busy)",
                measures: measures() + [Measure("tokens_left", left)])
        } catch {
            throw error.with(measures: measures())
        }
    }

    private static func notNull(_ column: String) -> String { "the column \"\(column)\" is NOT NULL, so it cannot be cleared" }
    private static let notNullHint = "Drop the constraint, or leave the job out."

    private func count(_ sql: TokenPurgeQueries, _ connection: PostgresConnection) async throws(JobError) -> Int64 {
        let text = try await asking("counting expired tokens") { () throws(PostgresError) in
            try await connection.query(sql.count).scalar
        }
        return text.flatMap { Int64($0) } ?? 0
    }

    /// Table, columns, types, privileges.
    package func findings(in context: JobContext) async throws(JobError) -> [Finding] {
        let connection = try await context.connect(lockTimeout: lockTimeout)
        let result: Result<[Finding], JobError>
        do throws(JobError) {
            result = .success(try await findings(on: connection))
        } catch {
            result = error.isOfConfiguration ? .success([.error(error)]) : .failure(error)
        }
        await connection.close()
        return try result.get()
    }

    private func findings(on connection: PostgresConnection) async throws(JobError) -> [Finding] {
        let found = try await ConfiguredTable.find(table, on: connection)
        var findings: [Finding] = []
        let expiry = try await found.column(expires, on: connection)
        _ = try TimeColumnType.of(expiry.type, column: expires)
        let secret = try await found.column(token, on: connection)
        for (name, column) in [(expires, expiry), (token, secret)] where !column.isNullable {
            findings.append(
                .error(Self.notNull(name), hint: Self.notNullHint))
        }
        if found.hidesRows {
            findings.append(
                .error(
                    "row-level security may hide rows of \(table.description)", hint: "Give the role BYPASSRLS.",
                    code: .permissionDenied))
        }
        let key = try await TokenPurgeQueries.key(of: found, on: connection)
        let role = quoteIdentifier(connection.user)
        if key.isEmpty {
            let mayReadAll = try await asking("looking at privileges") { () throws(PostgresError) in
                try await connection.query(
                    "SELECT has_table_privilege($1::bigint::oid, 'SELECT')::text", [.text(String(found.oid))]
                ).scalar
            }
            if mayReadAll != "true" {
                findings.append(
                    .error(
                        "\(table.description) has no primary key, so the role \(connection.user) needs SELECT on all of it",
                        hint: "Give the table a primary key, or GRANT SELECT ON \(found.sql) TO \(role);", code: .permissionDenied))
            }
        }
        for (right, columns) in [("SELECT", key.map(\.name) + [token, expires]), ("UPDATE", [token, expires])] {
            for column in columns {
                let has = try await asking("looking at privileges") { () throws(PostgresError) in
                    try await connection.query(
                        "SELECT has_column_privilege($1::bigint::oid, $2::text, $3::text)::text",
                        [.text(String(found.oid)), .text(column), .text(right)]
                    ).scalar
                }
                if has != "true" {
                    findings.append(
                        .error(
                            "the role \(connection.user) lacks \(right) on \(found.name).\(column)",
                            hint: "GRANT \(right) (\(quoteIdentifier(column))) ON \(found.sql) TO \(role);", code: .permissionDenied
                        ))
                }
            }
        }
        return findings
    }
}
