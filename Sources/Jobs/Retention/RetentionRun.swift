import Postgres
import Schedule

/// One run of a retention job over one connection.
struct RetentionRun {
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
        let cutoff = try await RetentionQueries.cutoff(type, keep: job.keep, zone: context.database.timestamps, on: connection)
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
        let (left, warnings) = try await leftovers(leaves, type, cutoff, tally)
        let name = job.table.description
        guard tally.deleted > 0 else {
            return JobSummary(
                left == 0 ? "nothing in \(name) is older than \(cutoff)" : "deleted nothing of \(name) older than \(cutoff)",
                measures: tally.measures, warnings: warnings)
        }
        return JobSummary(
            "deleted \(HumanText.count(tally.deleted, "row")) of \(name) older than \(cutoff) in \(HumanText.count(tally.batches, "batch", "batches"))",
            measures: tally.measures, warnings: warnings)
    }

    private struct Tally {
        var seen: Int64 = 0
        var deleted: Int64 = 0
        var batches: Int64 = 0

        var measures: [Measure] { [Measure("rows_deleted", deleted), Measure("batches", batches)] }

        mutating func add(_ batch: Batch) {
            seen += batch.seen
            deleted += batch.deleted
            if batch.seen > 0 { batches += 1 }
        }
    }

    /// What one batch came to.
    private struct Batch: Sendable {
        /// How many rows were found, and tried to delete.
        let seen: Int64
        /// How many of them are gone by this batch.
        let deleted: Int64
        /// Where the last one lay: its moment, or its place.
        let last: String?

        init(seen: Int64, deleted: Int64) {
            self.seen = seen
            self.deleted = deleted
            last = nil
        }

        init(_ rows: Rows) {
            seen = rows.first?.int64("seen") ?? 0
            deleted = rows.first?.int64("deleted") ?? 0
            last = rows.first?.string("last")
        }
    }

    /// Counts what is old and still there, if a batch could not delete all that it found: that would otherwise never be told.
    private func leftovers(
        _ leaves: [RetentionLeaf], _ type: TimeColumnType, _ cutoff: String, _ tally: Tally
    ) async throws(JobError) -> (count: Int64, warnings: [String]) {
        guard tally.deleted < tally.seen else { return (0, []) }
        var left: Int64 = 0
        do throws(JobError) {
            for leaf in leaves { left += try await count(leaf, type, cutoff)?.int64("rows") ?? 0 }
        } catch {
            throw error.with(measures: tally.measures)
        }
        guard left > 0 else { return (0, []) }
        return (
            left,
            [
                "\(HumanText.count(left, "row")) of \(job.table.description) older than \(cutoff) could not be deleted, because somebody changed them meanwhile or a trigger keeps them"
            ]
        )
    }

    private func count(_ leaf: RetentionLeaf, _ type: TimeColumnType, _ cutoff: String) async throws(JobError) -> Row? {
        try await asking("counting the rows of \(leaf.name)") { () throws(PostgresError) in
            try await connection.query(RetentionQueries.preview(leaf, column: job.column, type: type), [.text(cutoff)]).first
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

    private func preview(_ leaves: [RetentionLeaf], _ type: TimeColumnType, _ cutoff: String) async throws(JobError) -> JobSummary {
        var rows: Int64 = 0
        var first: String?
        var last: String?
        var ways: [String] = []
        for leaf in leaves {
            let index = try await RetentionQueries.index(of: leaf, column: job.column, on: connection)
            ways.append(index.map { "by the index \($0)" } ?? "by reading all of \(leaf.name), which has no index on \(job.column)")
            guard let row = try await count(leaf, type, cutoff) else { continue }
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
            _ = try await connection.simple(RetentionQueries.walkSettings)
        }
        let before = tally.deleted
        let total = try await estimate(leaf, type, cutoff).map { before + $0 }
        let action = "deleting from \(leaf.name)"
        let boundary = RetentionQueries.boundary(leaf, column: job.column, type: type)
        let stretch = RetentionQueries.stretch(leaf, column: job.column, type: type)
        let limit = PostgresParameter.text(String(job.batchRows))
        var position = "-infinity"
        while true {
            let from = position
            let ahead = try await insisting(action, context.clock) { () throws(PostgresError) in
                try await connection.query(boundary, [.text(from), .text(cutoff), limit]).first
            }
            guard let ahead, let seen = ahead.int64("seen"), seen > 0 else { return }
            // One more than asked for is where the next batch begins; without it this is the last one.
            let next = seen > Int64(job.batchRows) ? ahead.string("edge") : nil
            if let next, next == position {
                position = try await walkMoment(leaf, type, cutoff, position, &tally, total)
            } else {
                let deleted = try await insisting(action, context.clock) { () throws(PostgresError) in
                    try await connection.execute(stretch, [.text(from), .text(next ?? cutoff)])
                }
                tally.add(Batch(seen: next == nil ? seen : ahead.int64("before") ?? seen, deleted: Int64(deleted)))
            }
            report(tally, total)
            guard let next else { return }
            if position == from, next != from { position = next }
            try await pauseIfAsked()
        }
    }

    /// Deletes rows of one moment that are more than a batch may have, batch by batch.
    ///
    /// - Returns: the moment to go on from.
    private func walkMoment(
        _ leaf: RetentionLeaf, _ type: TimeColumnType, _ cutoff: String, _ moment: String, _ tally: inout Tally, _ total: Int64?
    ) async throws(JobError) -> String {
        var isBehind = false
        while true {
            let statement = RetentionQueries.batch(leaf, column: job.column, type: type, isBehind: isBehind)
            let batch = Batch(
                try await insisting("deleting from \(leaf.name)", context.clock) { () throws(PostgresError) in
                    try await connection.query(statement, [.text(moment), .text(cutoff), .text(String(job.batchRows))])
                })
            tally.add(batch)
            report(tally, total)
            guard batch.seen >= Int64(job.batchRows), let last = batch.last else { return batch.last ?? cutoff }
            if last != moment { return last }
            // A whole batch of one moment that a trigger keeps would be met again for ever.
            isBehind = batch.deleted == 0
            try await pauseIfAsked()
        }
    }

    private func walkPages(
        _ leaf: RetentionLeaf, _ type: TimeColumnType, _ cutoff: String, _ tally: inout Tally
    ) async throws(JobError) {
        let action = "deleting from \(leaf.name)"
        let size = try await insisting(action, context.clock) { () throws(PostgresError) in
            try await connection.query(RetentionQueries.pageCount, [.text(String(leaf.oid))]).scalar
        }
        let pages = size.flatMap { Int64($0) } ?? 0
        // How many rows a page has is a guess, and only decides how much a statement reads; the limit decides what it deletes.
        let perPage = pages > 0 && leaf.rows > 0 ? max(1, leaf.rows / Double(pages)) : 50
        let step = max(1, Int64(Double(job.batchRows) / perPage))
        let statement = RetentionQueries.pages(leaf, column: job.column, type: type)
        var page: Int64 = 0
        var position = "(0,0)"
        while page < pages {
            let (from, end) = (position, "(\(min(page + step, pages)),0)")
            let batch = Batch(
                try await insisting(action, context.clock) { () throws(PostgresError) in
                    try await connection.query(
                        statement, [.text(from), .text(end), .text(cutoff), .text(String(job.batchRows))])
                })
            tally.add(batch)
            report(tally, nil)
            if batch.seen >= Int64(job.batchRows), let last = batch.last {
                position = last
            } else {
                page += step
                position = "(\(page),0)"
            }
            if batch.seen > 0 { try await pauseIfAsked() } else if Task.isCancelled { throw .cancelled }
        }
    }

    private func report(_ tally: Tally, _ total: Int64?) {
        context.progress.report(
            Progress(
                phase: "deleting", completed: tally.deleted, total: total.map { max($0, tally.deleted) }, unit: .rows))
    }

    private func estimate(_ leaf: RetentionLeaf, _ type: TimeColumnType, _ cutoff: String) async throws(JobError) -> Int64? {
        let plan = try await insisting("estimating the work", context.clock) { () throws(PostgresError) in
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
}
