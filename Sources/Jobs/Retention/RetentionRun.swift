import Postgres
import Schedule

/// One run of a retention job over one connection.
struct RetentionRun {
    /// How often a batch is tried when somebody else holds what it needs.
    static let attempts = 5

    let job: RetentionJob
    let context: JobContext
    let connection: PostgresConnection

    func run() async throws(JobError) -> JobSummary {
        try await asking("preparing the session") { () throws(PostgresError) in
            // Row-level security must make the run fail: rows that it hides would be reported as not there.
            _ = try await connection.simple("SET row_security = off; SET plan_cache_mode = force_custom_plan")
        }
        let table = try await ConfiguredTable.find(job.table, on: connection)
        let type = try TimeColumnType.of(try await table.column(job.column, on: connection).type, column: job.column)
        try await compareClocks()
        let cutoff = try await cutoff(type)
        let leaves = try await RetentionQueries.leaves(of: table, on: connection)
        if context.isDryRun { return try await preview(leaves, type, cutoff) }

        var tally = Tally()
        do throws(JobError) {
            for leaf in leaves {
                if try await RetentionQueries.index(of: leaf, column: job.column, on: connection) != nil {
                    try await walkIndex(leaf, type, cutoff, &tally)
                } else {
                    try await walkPages(leaf, type, cutoff, &tally)
                }
            }
        } catch {
            throw error.with(measures: tally.measures)
        }
        let name = job.table.description
        guard tally.rows > 0 else {
            return JobSummary("nothing in \(name) is older than \(cutoff)", measures: tally.measures)
        }
        return JobSummary(
            "deleted \(HumanText.count(tally.rows, "row")) of \(name) older than \(cutoff) in \(HumanText.count(tally.batches, "batch", "batches"))",
            measures: tally.measures)
    }

    private struct Tally {
        var rows: Int64 = 0
        var batches: Int64 = 0

        var measures: [Measure] { [Measure("rows_deleted", rows), Measure("batches", batches)] }

        mutating func add(_ count: Int64) {
            rows += count
            batches += 1
        }
    }

    /// A server whose clock is years ahead would have everything deleted; a host that agrees with it makes that unlikely.
    private func compareClocks() async throws(JobError) {
        let before = context.clock.now()
        let text = try await asking("asking for the server's time") { () throws(PostgresError) in
            try await connection.query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").scalar
        }
        guard let server = text.flatMap({ Int64($0) }) else {
            throw JobError(.statementFailed, "the server does not tell its time")
        }
        let difference = Instant(microsecondsSinceEpoch: server) - before
        let distance = difference < .zero ? .zero - difference : difference
        guard distance <= job.maxClockDifference else {
            throw JobError(
                .clockDisagrees,
                "the server's clock is \(HumanText.duration(distance)) \(difference < .zero ? "behind" : "ahead of") this host's, so nothing is deleted",
                hint: "Set both clocks right; max_clock_difference is the limit.")
        }
    }

    private func cutoff(_ type: TimeColumnType) async throws(JobError) -> String {
        let seconds = Double(job.keep.components.seconds) + Double(job.keep.components.attoseconds) / 1e18
        let text = try await asking("computing the cut-off") { () throws(PostgresError) in
            try await connection.query(
                RetentionQueries.cutoff(type), [.text(context.database.timestamps), .text(String(seconds))]
            ).scalar
        }
        guard let text else { throw JobError(.statementFailed, "the server computes no cut-off") }
        return text
    }

    private func preview(_ leaves: [RetentionLeaf], _ type: TimeColumnType, _ cutoff: String) async throws(JobError) -> JobSummary {
        var rows: Int64 = 0
        var first: String?
        var last: String?
        var ways: [String] = []
        for leaf in leaves {
            let index = try await RetentionQueries.index(of: leaf, column: job.column, on: connection)
            ways.append(index.map { "by the index \($0)" } ?? "by reading all of \(leaf.name), which has no index on \(job.column)")
            let found = try await asking("counting the rows of \(leaf.name)") { () throws(PostgresError) in
                try await connection.query(
                    RetentionQueries.preview(leaf, column: job.column, type: type), [.text(cutoff)])
            }
            guard let row = found.first else { continue }
            rows += row.int64("rows") ?? 0
            if let moment = row.string("first") { first = min(first ?? moment, moment) }
            if let moment = row.string("last") { last = max(last ?? moment, moment) }
        }
        let range = first.flatMap { first in last.map { ", from \(first) to \($0)" } } ?? ""
        let way = Set(ways).sorted().joined(separator: ", ")
        return JobSummary(
            "would delete \(HumanText.count(rows, "row")) of \(job.table.description) older than \(cutoff)\(range), \(way)",
            measures: [Measure("rows_to_delete", rows)])
    }

    private func walkIndex(
        _ leaf: RetentionLeaf, _ type: TimeColumnType, _ cutoff: String, _ tally: inout Tally
    ) async throws(JobError) {
        try await asking("preparing the session") { () throws(PostgresError) in
            // With the statistics of an hour ago the planner may think that reading everything is cheaper.
            _ = try await connection.simple("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
        }
        let total = try await estimate(leaf, type, cutoff)
        let statement = RetentionQueries.batch(leaf, column: job.column, type: type)
        var from = "-infinity"
        while true {
            let position = from
            let rows = try await batch(leaf) { () throws(PostgresError) in
                try await connection.query(
                    statement, [.text(position), .text(cutoff), .text(String(job.batchRows))])
            }
            guard let row = rows.first, let count = row.int64("rows"), count > 0, let last = row.string("last") else { return }
            tally.add(count)
            from = last
            context.progress.report(Progress(phase: "deleting", completed: tally.rows, total: total, unit: .rows))
            // Fewer than asked for were the last ones.
            guard count >= job.batchRows else { return }
            try await pauseIfAsked()
        }
    }

    private func walkPages(
        _ leaf: RetentionLeaf, _ type: TimeColumnType, _ cutoff: String, _ tally: inout Tally
    ) async throws(JobError) {
        let perPage = leaf.pages > 0 && leaf.rows > 0 ? max(1, leaf.rows / Double(leaf.pages)) : 50
        let step = max(1, Int64(Double(job.batchRows) / perPage))
        let statement = RetentionQueries.pages(leaf, column: job.column, type: type)
        var page: Int64 = 0
        while page < leaf.pages {
            let first = "(\(page),0)"
            let end = "(\(page + step),0)"
            let count = try await batch(leaf) { () throws(PostgresError) in
                try await connection.execute(statement, [.text(first), .text(end), .text(cutoff)])
            }
            if count > 0 { tally.add(Int64(count)) }
            page += step
            context.progress.report(Progress(phase: "deleting", completed: tally.rows, total: nil, unit: .rows))
            try await pauseIfAsked()
        }
    }

    private func estimate(_ leaf: RetentionLeaf, _ type: TimeColumnType, _ cutoff: String) async throws(JobError) -> Int64? {
        let plan = try await asking("estimating the work") { () throws(PostgresError) in
            try await connection.query(
                "EXPLAIN SELECT 1 FROM ONLY \(leaf.sql) WHERE \(quoteIdentifier(job.column)) < \(quoteLiteral(cutoff))::\(type.rawValue)"
            ).scalar
        }
        guard let plan, let range = plan.firstRange(of: /rows=[0-9]+/) else { return nil }
        return Int64(plan[range].dropFirst(5))
    }

    private func pauseIfAsked() async throws(JobError) {
        guard !Task.isCancelled else { throw .cancelled }
        guard let pause = job.pause else { return }
        do { try await context.clock.sleep(for: pause) } catch { throw .cancelled }
    }

    /// One batch, tried again when somebody else was in the way. Each is a transaction of its own: what is gone is gone.
    private func batch<Value: Sendable>(
        _ leaf: RetentionLeaf, _ body: () async throws(PostgresError) -> Value
    ) async throws(JobError) -> Value {
        var wait = Duration.milliseconds(100)
        var attempt = 1
        while true {
            do throws(PostgresError) {
                return try await body()
            } catch {
                let isPassing =
                    error.sqlState == .lockNotAvailable || error.sqlState == .deadlockDetected
                    || error.sqlState == .serializationFailure
                guard isPassing, attempt < Self.attempts else { throw JobError(error, while: "deleting from \(leaf.name)") }
            }
            attempt += 1
            do { try await context.clock.sleep(for: wait) } catch { throw .cancelled }
            wait = wait * 2
        }
    }
}
