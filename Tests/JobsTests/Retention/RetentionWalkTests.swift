import Postgres
import Schedule
import Synchronization
import TestSupport
import Testing

@testable import Jobs

@Suite("Retention: the walk") struct RetentionWalkTests {
    /// Notes of each statement that deletes its transaction, how many rows it took, and from when to when.
    private static let batchLog = """
        CREATE TABLE log (number serial, xid xid8, rows int, first timestamptz, last timestamptz);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO log (xid, rows, first, last) SELECT pg_current_xact_id(), count(*), min(at), max(at) FROM gone;
            RETURN NULL;
        END $$;
        CREATE TRIGGER note AFTER DELETE ON events REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note();
        """

    @Test(
        "every old row goes, in transactions of at most batch_rows, and no NULL and no infinity",
        arguments: ["(at)", "(at DESC)", "(at, id)", "(id, at)", ""], [1, 7, 10, 25, 26, 1000])
    func batches(index: String, batchRows: Int) async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection, indexed: false)
                if !index.isEmpty { try await connection.simple("CREATE INDEX ON events \(index)") }
                try await connection.simple(
                    """
                    -- 25 of one moment, 10 single ones, in a heap whose order is another
                    INSERT INTO events SELECT i, now() - interval '100 days' - (CASE WHEN i % 7 < 5 THEN 0 ELSE i END) * interval '1 hour', 'old'
                    FROM generate_series(1, 35) AS i;
                    INSERT INTO events VALUES (101, now(), 'new'), (102, NULL, 'never'), (103, 'infinity', 'ever'), (104, '-infinity', 'ever');
                    \(Self.batchLog)
                    """)
                let bench = JobBench(target)
                let summary = try await retention(["batch_rows": .integer(Int64(batchRows))]).run(in: bench.context())
                #expect(summary.measures["rows_deleted"] == 35)
                #expect(summary.warnings.isEmpty)
                #expect(try await connection.column("SELECT id FROM events ORDER BY 1") == ["101", "102", "103", "104"])
                let log = try await connection.query(
                    """
                    SELECT max(rows) AS most, sum(rows) AS rows, count(DISTINCT xid) AS transactions, count(*) AS statements,
                        bool_and(first >= before) AS forward
                    FROM (SELECT *, coalesce(lag(last) OVER (ORDER BY number), '-infinity') AS before FROM log WHERE rows > 0) AS l
                    """)
                let row = try #require(log.first)
                // Rows of one moment stay together where they fit, so that a batch may be a little smaller.
                let most = try #require(row.int("most"))
                #expect(most <= batchRows && most >= min(batchRows, 35) - 2)
                #expect(row.int("rows") == 35)
                #expect(row.int("transactions") == row.int("statements"))
                if index.hasPrefix("(at") { #expect(row.bool("forward") == true) }
            }
        }
    }

    @Test("a pause is made between batches, and none is needed after the last")
    func pause() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await insertOld(25, in: connection)
                let bench = JobBench(target)
                _ = try await retention(["pause": .duration(.milliseconds(250))]).run(in: bench.context())
                #expect(bench.clock.sleeps == [.milliseconds(250), .milliseconds(250)])
            }
        }
    }

    @Test("rows that a trigger keeps do not hold up the others, nor the run, and are told of", arguments: [true, false])
    func keptByTrigger(indexed: Bool) async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection, indexed: indexed)
                try await insertOld(40, in: connection)
                try await connection.simple(
                    """
                    UPDATE events SET at = now() - interval '150 days', note = 'kept' WHERE id BETWEEN 5 AND 30;
                    CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
                    CREATE TRIGGER keep BEFORE DELETE ON events FOR EACH ROW WHEN (OLD.note = 'kept') EXECUTE FUNCTION keep();
                    UPDATE events SET at = now() - interval '120 days' WHERE id > 35;
                    """)
                let summary = try await retention().run(in: JobBench(target).context())
                #expect(summary.measures["rows_deleted"] == 14)
                #expect(try await connection.query("SELECT count(*) FROM events WHERE note <> 'kept'").scalar == "0")
                #expect(summary.warnings.count == 1)
                #expect(summary.warnings.first?.hasPrefix("26 rows of events older than ") == true)
            }
        }
    }

    @Test("a dry run tells how many rows, from when to when and by which index, and deletes nothing", arguments: [true, false])
    func dryRun(indexed: Bool) async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection, indexed: indexed)
                try await connection.simple(
                    """
                    INSERT INTO events SELECT i, '2020-01-01T12:00:00Z'::timestamptz + i * interval '1 day' FROM generate_series(0, 11) AS i;
                    INSERT INTO events VALUES (90, now()), (91, NULL), (92, '-infinity');
                    """)
                let bench = JobBench(target)
                let summary = try await retention().run(in: bench.context(dryRun: true))
                #expect(summary.measures == [Measure("rows_to_delete", 12)])
                #expect(summary.sentence.hasPrefix("would delete 12 rows of events older than "))
                #expect(summary.sentence.contains("from 2020-01-01 12:00:00+00 to 2020-01-12 12:00:00+00"))
                #expect(
                    summary.sentence.hasSuffix(
                        indexed ? "by the index events_at" : "by reading all of events, which has no index on at"))
                #expect(try await connection.query("SELECT count(*) FROM events").scalar == "15")
            }
        }
    }

    @Test("a table in which nothing is old is left alone, and so is an empty one")
    func nothing() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                let job = try retention()
                #expect(try await job.run(in: JobBench(target).context()).sentence.hasPrefix("nothing in events is older than "))
                try await connection.simple("INSERT INTO events VALUES (1, now())")
                let summary = try await job.run(in: JobBench(target).context())
                #expect(summary.measures == [Measure("rows_deleted", 0), Measure("batches", 0)])
            }
        }
    }

    @Test("names may have capitals, blanks, dots and quotes", arguments: [true, false])
    func names(indexed: Bool) async throws {
        let name = QualifiedName(schema: #"My "Schema". x"#, name: #"Ta"ble'.1 é"#)
        let column = #"Created "At" %1$s"#
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple(
                    """
                    CREATE SCHEMA \(quoteIdentifier(name.schema ?? ""));
                    CREATE TABLE \(name.sql) (id int, \(quoteIdentifier(column)) timestamp);
                    INSERT INTO \(name.sql) SELECT i, now() - i * interval '10 days' FROM generate_series(1, 30) AS i;
                    """)
                if indexed { try await connection.simple("CREATE INDEX ON \(name.sql) (\(quoteIdentifier(column)))") }
                let job = try retention(["table": .text(name.description), "column": .text(column)])
                let bench = JobBench(target)
                #expect(try await job.findings(in: bench.context()).filter { $0.severity == .error }.isEmpty)
                #expect(try await job.run(in: bench.context(dryRun: true)).measures["rows_to_delete"] == 22)
                #expect(try await job.run(in: bench.context()).measures["rows_deleted"] == 22)
                #expect(try await connection.query("SELECT count(*) FROM \(name.sql)").scalar == "8")
            }
        }
    }

    @Test("rows go out of every partition, each by its own index or without one")
    func partitions() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple(
                    """
                    CREATE TABLE events (id int, at timestamptz) PARTITION BY LIST (id);
                    CREATE TABLE "Events 1" PARTITION OF events FOR VALUES IN (1);
                    CREATE TABLE events_2 PARTITION OF events FOR VALUES IN (2) PARTITION BY RANGE (at);
                    CREATE TABLE events_2a PARTITION OF events_2 FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
                    CREATE TABLE events_3 PARTITION OF events DEFAULT;
                    CREATE INDEX ON "Events 1" (at);
                    CREATE INDEX ON events_2a (at DESC);
                    INSERT INTO events SELECT 1 + i % 3, now() - i * interval '1 day' FROM generate_series(1, 150) AS i;
                    """)
                let steps = Mutex<[Progress]>([])
                let progress = ProgressSink { step in steps.withLock { $0.append(step) } }
                let summary = try await retention().run(in: JobBench(target).context(progress: progress))
                #expect(summary.measures["rows_deleted"] == 61)
                #expect(try await connection.query("SELECT count(*) FROM events").scalar == "89")
                #expect(steps.withLock { $0 }.allSatisfy { $0.total == nil || $0.completed <= $0.total ?? 0 })
            }
        }
    }

    @Test("rows of tables that inherit go with those of their parent")
    func inheritance() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await connection.simple(
                    """
                    CREATE TABLE child (extra int) INHERITS (events);
                    INSERT INTO events SELECT i, now() - interval '100 days' FROM generate_series(1, 12) AS i;
                    INSERT INTO child SELECT i, now() - interval '100 days' FROM generate_series(1, 15) AS i;
                    INSERT INTO child VALUES (99, now());
                    """)
                #expect(try await retention().run(in: JobBench(target).context()).measures["rows_deleted"] == 27)
                #expect(try await connection.column("SELECT id FROM events") == ["99"])
            }
        }
    }

    @Test(
        "each batch begins where the last one ended, whatever statistics say and whoever still sees the rows",
        arguments: [true, false])
    func cost(stale: Bool) async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await connection.simple("INSERT INTO events SELECT -i, now() FROM generate_series(1, 200) AS i")
                if stale { try await connection.simple("ANALYZE events") }
                try await insertOld(4000, in: connection)
                if !stale { try await connection.simple("ANALYZE events") }
                let scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'events'"
                try await connection.query("SELECT pg_stat_force_next_flush()")
                let before = try await connection.query(scans).scalar
                try await PostgresConnection.with(target) { reader in
                    // Dead rows must be passed in the index as long as somebody can see them.
                    try await reader.simple("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
                    let summary = try await retention(["batch_rows": .integer(100)]).run(in: JobBench(target).context())
                    #expect(summary.measures["rows_deleted"] == 4000)
                    try await connection.wait(
                        until: "SELECT idx_tup_read > 0 FROM pg_stat_user_indexes WHERE indexrelname = 'events_at'", is: "t")
                    let entries = try await connection.query(
                        "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'events_at'"
                    ).first?.int("idx_tup_read")
                    // Each stretch is read twice, to find its end and to delete it; from the left edge it would be 80,000.
                    #expect(try #require(entries) < 8600)
                    #expect(try await connection.query(scans).scalar == before)
                }
            }
        }
    }

    @Test("a batch searches the index between both bounds, and never sorts or reads the table", arguments: [true, false])
    func plan(stale: Bool) async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await connection.simple("INSERT INTO events SELECT -i, now() FROM generate_series(1, 200) AS i; ANALYZE events")
                try await insertOld(2000, in: connection)
                if !stale { try await connection.simple("ANALYZE events") }
                let table = try await ConfiguredTable.find(QualifiedName(name: "events"), on: connection)
                let leaf = try #require(try await RetentionQueries.leaves(of: table, on: connection).first)
                try await connection.simple(RetentionQueries.walkSettings)
                let sql = RetentionQueries.batch(leaf, column: "at", type: .timestamptz, isBehind: false)
                let plan = try await connection.query(
                    "EXPLAIN \(sql)", [.text("2026-01-01"), .text("2026-02-01"), .text("100")]
                ).map { $0[0] ?? "" }
                let text = plan.joined(separator: "\n")
                #expect(!text.contains("Seq Scan"), "\(text)")
                #expect(plan.filter { $0.contains("Index Scan") }.count == 1, "\(text)")
                #expect(plan.filter { $0.contains("Tid Scan") }.count == 1, "\(text)")
                let condition = try #require(plan.first { $0.contains("Index Cond") })
                #expect(condition.contains("at >= ") && condition.contains("at < "), "\(text)")

                let bounds: [PostgresParameter] = [.text("2026-01-01"), .text("2026-02-01")]
                for (sql, parameters) in [
                    (RetentionQueries.boundary(leaf, column: "at", type: .timestamptz), bounds + [.text("100")]),
                    (RetentionQueries.stretch(leaf, column: "at", type: .timestamptz), bounds),
                ] {
                    let plan = try await connection.query("EXPLAIN \(sql)", parameters).map { $0[0] ?? "" }
                    let text = plan.joined(separator: "\n")
                    #expect(!text.contains("Seq Scan") && !text.contains("Sort") && !text.contains("JIT"), "\(text)")
                    let condition = try #require(plan.first { $0.contains("Index Cond") }, "\(text)")
                    #expect(condition.contains("at >= ") && condition.contains("at < "), "\(text)")
                }

                try await connection.simple("DROP INDEX events_at")
                let pages = try await connection.query(
                    "EXPLAIN \(RetentionQueries.pages(leaf, column: "at", type: .timestamptz))",
                    [.text("(0,0)"), .text("(9,0)"), .text("2026-02-01"), .text("100")]
                ).map { $0[0] ?? "" }.joined(separator: "\n")
                #expect(pages.contains("Tid Range Scan") && !pages.contains("Seq Scan"), "\(pages)")
            }
        }
    }
}
