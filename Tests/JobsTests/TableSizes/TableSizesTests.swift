import History
import Postgres
import Schedule
import Synchronization
import TestSupport
import Testing

@testable import Jobs

/// Keeps samples in memory, as the history does on disk.
private final class RememberedSamples: SizeSampleStore {
    private struct State {
        var samples: [SizeSample] = []
        var crossed: Set<String> = []
    }
    private let state = Mutex(State())

    var samples: [SizeSample] { state.withLock { $0.samples } }

    func plant(_ sample: SizeSample) { state.withLock { $0.samples.append(sample) } }

    /// Forgets the samples and puts one in their place.
    func replace(with sample: SizeSample) { state.withLock { $0.samples = [sample] } }

    func record(_ sample: SizeSample) async throws { plant(sample) }
    func sample(of database: String, notAfter: Instant) async throws -> SizeSample? {
        samples.filter { $0.database == database && $0.takenAt <= notAfter }.max { $0.takenAt < $1.takenAt }
    }
    func crossedThresholds(job: String, database: String) async throws -> Set<String> { state.withLock { $0.crossed } }
    func setCrossedThresholds(_ names: Set<String>, job: String, database: String) async throws {
        state.withLock { $0.crossed = names }
    }
    func thin(database: String, at now: Instant) async throws {}
}

@Suite("TableSizes", .timeLimit(.minutes(2))) struct TableSizesTests {
    private static let tables = """
        CREATE TABLE events (id int PRIMARY KEY, at timestamptz, note text);
        ALTER TABLE events ALTER note SET STORAGE EXTERNAL;
        CREATE INDEX ON events (at);
        INSERT INTO events SELECT i, now(), repeat('x', CASE WHEN i % 50 = 0 THEN 9000 ELSE 10 END) FROM generate_series(1, 1000) AS i;
        CREATE SCHEMA "Audit X";
        CREATE TABLE "Audit X"."Log" (i int);
        CREATE MATERIALIZED VIEW stored AS SELECT * FROM events;
        CREATE TABLE parts (i int) PARTITION BY LIST (i);
        CREATE TABLE part_1 PARTITION OF parts DEFAULT;
        CREATE VIEW seen AS SELECT 1;
        ANALYZE;
        """

    private func sizes(_ options: [String: OptionValue] = [:]) throws -> TableSizesJob { try make(TableSizesJob.self, options) }

    @Test("heap, indexes and out-of-line values of every table add up to what the server says, and a dry run keeps nothing")
    func totals() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple(Self.tables)
                let samples = RememberedSamples()
                let bench = JobBench(target, sizes: samples)
                #expect(try await sizes().findings(in: bench.context(dryRun: true)).isEmpty)
                let dry = try await sizes().run(in: bench.context(dryRun: true))
                #expect(dry.measures["tables"] == 4)
                #expect(samples.samples.isEmpty)
                let summary = try await sizes().run(in: bench.context())
                #expect(summary.measures["tables"] == 4)
                #expect(summary.measures["tables_skipped"] == 0)
                let sample = try #require(samples.samples.first)
                #expect(samples.samples.count == 1)
                #expect(sample.databaseBytes == summary.measures["database_bytes"])
                let expected = try await connection.column(
                    """
                    SELECT concat_ws(' ', n.nspname, c.relname, pg_total_relation_size(c.oid), pg_indexes_size(c.oid),
                        coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0))
                    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                    WHERE relkind IN ('r', 'm') AND nspname IN ('public', 'Audit X') ORDER BY 1
                    """)
                let told = sample.relations.map { "\($0.schema) \($0.name) \($0.total) \($0.indexes) \($0.toast)" }.sorted()
                #expect(told == expected)
                let events = try #require(sample.relations.first { $0.name == "events" })
                #expect(events.toast > 100_000 && events.indexes > 0 && events.heap > 0)
            }
        }
    }

    @Test(
        "a table that somebody holds exclusively, or whose index is rebuilt, or for which somebody waits, is left out at once",
        arguments: ["BEGIN; LOCK TABLE events", "BEGIN; REINDEX INDEX events_at_idx", "BEGIN; TRUNCATE events", "waits"])
    func held(how: String) async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple(Self.tables)
                try await PostgresConnection.with(target) { other in
                    try await PostgresConnection.with(target) { third in
                        var waiting: Task<Void, any Error>?
                        if how == "waits" {
                            try await other.simple("BEGIN; SELECT FROM events LIMIT 1")
                            waiting = Task { try await third.simple("BEGIN; LOCK TABLE events; COMMIT") }
                            try await connection.wait(
                                until: "SELECT count(*) FROM pg_locks WHERE relation = 'events'::regclass AND NOT granted", is: "1")
                        } else {
                            try await other.simple(how)
                        }
                        let samples = RememberedSamples()
                        let bench = JobBench(target, sizes: samples)
                        let summary = try await sizes(["lock_timeout": .duration(.seconds(2))]).run(in: bench.context())
                        #expect(summary.measures["tables"] == 3)
                        #expect(summary.measures["tables_skipped"] == 1)
                        #expect(summary.sentence.hasSuffix("; 1 table held by somebody left out"))
                        #expect(samples.samples.first?.relations.contains { $0.name == "events" } == false)
                        try await other.simple("ROLLBACK")
                        try await waiting?.value
                    }
                }
            }
        }
    }

    @Test("ordinary work on a table does not leave it out")
    func busy() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple(Self.tables)
                try await connection.simple("BEGIN; UPDATE events SET note = 'y' WHERE id = 1; SELECT FROM events FOR UPDATE")
                let summary = try await sizes(["lock_timeout": .duration(.milliseconds(100))]).run(in: JobBench(target).context())
                #expect(summary.measures["tables_skipped"] == 0)
                try await connection.simple("ROLLBACK")
            }
        }
    }

    @Test("a threshold warns once when it is crossed, says once when it is not any more, and is quiet between")
    func thresholds() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple("CREATE TABLE events (i int, note text)")
                let samples = RememberedSamples()
                let bench = JobBench(target, sizes: samples)
                let job = try sizes(["warn_size": .size(200_000)])
                func run() async throws { _ = try await job.run(in: bench.context()) }
                try await run()
                #expect(bench.log.events.isEmpty)
                try await connection.simple("INSERT INTO events SELECT i, repeat('x', 100) FROM generate_series(1, 2000) AS i")
                try await run()
                try await run()
                #expect(bench.log.events == ["threshold-crossed"])
                #expect(bench.log.messages.last?.hasPrefix("public.events has ") == true)
                // Held, it says neither that it is below nor, afterwards, once more that it is above.
                try await connection.simple("BEGIN; LOCK TABLE events")
                try await run()
                try await connection.simple("COMMIT")
                try await run()
                #expect(bench.log.events == ["threshold-crossed"])
                try await connection.simple("TRUNCATE events")
                try await run()
                try await run()
                #expect(bench.log.events == ["threshold-crossed", "threshold-cleared"])
                #expect(bench.log.messages.last == "public.events size is below its threshold again")
            }
        }
    }

    @Test("growth is measured against about a day before, also if that run was a little late", arguments: [24.0, 23.9, 21, 72])
    func growth(hours: Double) async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple(
                    "CREATE TABLE events (note text); INSERT INTO events SELECT repeat('x', 100) FROM generate_series(1, 5000)")
                let total = try #require(
                    try await connection.query("SELECT pg_total_relation_size('events') AS size").first?.int64("size"))
                let samples = RememberedSamples()
                let bench = JobBench(target, sizes: samples)
                func earlier(_ hours: Double, _ size: Int64) -> SizeSample {
                    SizeSample(
                        database: "main", takenAt: bench.clock.now() - .seconds(hours * 3600), databaseBytes: 1,
                        relations: [
                            RelationSize(
                                schema: "public", name: "events", heap: size, indexes: 0, toast: 0, liveRows: 0, deadRows: 0)
                        ])
                }
                // An older sample that was as large as now would hide the growth, and a younger one too.
                samples.plant(earlier(96, total))
                samples.plant(earlier(hours, 0))
                samples.plant(earlier(2, total))
                let perDay = Int64(Double(total) * 24 / hours)
                _ = try await sizes(["warn_growth_per_day": .size(perDay - 4096)]).run(in: bench.context())
                #expect(bench.log.events == ["threshold-crossed"])
                _ = try await sizes(["warn_growth_per_day": .size(perDay + 4096)]).run(in: bench.context())
                #expect(bench.log.events == ["threshold-crossed", "threshold-cleared"])
            }
        }
    }
}
