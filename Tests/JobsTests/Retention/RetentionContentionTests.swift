import Postgres
import Schedule
import TestSupport
import Testing

@testable import Jobs

@Suite("Retention: others at work", .timeLimit(.minutes(2))) struct RetentionContentionTests {
    @Test("rows that somebody changes or deletes under a batch do not end the run", arguments: [true, false])
    func changedMeanwhile(indexed: Bool) async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection, indexed: indexed)
                try await insertOld(35, in: connection)
                try await PostgresConnection.with(target) { other in
                    let bench = JobBench(target)
                    try await other.simple(
                        """
                        BEGIN;
                        UPDATE events SET at = now() WHERE id = 3;
                        UPDATE events SET note = 'touched' WHERE id = 4;
                        DELETE FROM events WHERE id BETWEEN 5 AND 8;
                        """)
                    let job = try retention(["lock_timeout": .duration(.seconds(60))])
                    let run = Task { try await job.run(in: bench.context()) }
                    try await bench.waitUntilBlocked(connection)
                    try await other.simple("COMMIT")
                    let summary = try await run.value
                    let kept = try await connection.column("SELECT id FROM events ORDER BY 1")
                    // Whether a row that moved is followed to where it is now depends on the server's minor version.
                    let isTold = kept == ["3", "4"] && summary.warnings.first?.hasPrefix("1 row of events") == true
                    #expect((kept == ["3"] && summary.warnings.isEmpty) || isTold, "\(kept) \(summary.warnings)")
                    #expect(summary.measures["rows_deleted"] == (kept == ["3"] ? 30 : 29))
                    #expect(try await job.run(in: bench.context()).measures["rows_deleted"] == Int64(kept.count - 1))
                }
            }
        }
    }

    @Test("a batch that meets a lock is tried again, with longer and longer pauses")
    func lockTimeout() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await insertOld(15, in: connection)
                try await PostgresConnection.with(target) { other in
                    try await other.simple("BEGIN; SELECT FROM events WHERE id = 12 FOR UPDATE")
                    let clock = JobTestClock { if $0 == 2 { try await other.simple("COMMIT") } }
                    let bench = JobBench(target, clock: clock)
                    let summary = try await retention(["lock_timeout": .duration(.milliseconds(100))]).run(in: bench.context())
                    #expect(summary.measures["rows_deleted"] == 15)
                    #expect(clock.sleeps == [.milliseconds(100), .milliseconds(200)])
                }
            }
        }
    }

    @Test("a lock that does not go away ends the run, with what was done until then, to be tried later", arguments: [true, false])
    func lockHeld(wholeTable: Bool) async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await insertOld(15, in: connection)
                try await PostgresConnection.with(target) { other in
                    try await other.simple(
                        wholeTable ? "BEGIN; LOCK TABLE events" : "BEGIN; SELECT FROM events WHERE id = 12 FOR UPDATE")
                    let bench = JobBench(target)
                    let error = try await bench.failure(of: retention(["lock_timeout": .duration(.milliseconds(100))]))
                    #expect(error.code == .lockTimeout)
                    #expect(error.isWorthRetrying)
                    #expect(error.sqlState == "55P03")
                    #expect(error.measures["rows_deleted"] == (wholeTable ? 0 : 10))
                    #expect(bench.clock.sleeps.count == insistingAttempts - 1)
                    try await other.simple("ROLLBACK")
                    #expect(try await connection.query("SELECT count(*) FROM events").scalar == (wholeTable ? "15" : "5"))
                }
            }
        }
    }

    @Test("nobody is waited for longer than two seconds, unless the configuration says so")
    func lockTimeoutDefault() async throws {
        #expect(try retention().lockTimeout == .seconds(2))
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await insertOld(1, in: connection)
                // The role's own setting gives way.
                try await TestCluster.shared.administrate("ALTER ROLE \(target.user ?? "") SET lock_timeout = '1h'")
                try await connection.simple(
                    """
                    CREATE TABLE seen (setting text);
                    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                        'BEGIN INSERT INTO seen VALUES (current_setting(''lock_timeout'')); RETURN OLD; END';
                    CREATE TRIGGER note BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION note();
                    """)
                _ = try await retention().run(in: JobBench(target).context())
                #expect(try await connection.column("SELECT setting FROM seen") == ["2s"])
            }
        }
    }

    @Test("a batch that loses a deadlock is tried again")
    func deadlock() async throws {
        try await TestCluster.withDatabase { target in
            let administrate = { @Sendable (statement: String) in try await TestCluster.shared.administrate(statement) }
            try await administrate("ALTER ROLE \(target.user ?? "") SET deadlock_timeout = '10ms'")
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await insertOld(9, in: connection)
                // The batch holds row 1 and waits for row 3; whoever holds row 5 waits for row 1. Once it has row 3 the circle is closed,
                // and it is the job that looks for one then.
                let chief = try await TestCluster.shared.administrator.with(database: #require(target.database))
                try await PostgresConnection.with(chief) { third in
                    try await PostgresConnection.with(chief) { fifth in
                        try await third.simple("BEGIN; SELECT FROM events WHERE id = 3 FOR UPDATE")
                        try await fifth.simple("SET deadlock_timeout = '10min'; BEGIN; SELECT FROM events WHERE id = 5 FOR UPDATE")
                        let clock = JobTestClock { _ in
                            try await fifth.simple("ROLLBACK")
                        }
                        let bench = JobBench(target, clock: clock)
                        let job = try retention(["lock_timeout": .duration(.seconds(60))])
                        let run = Task { try await job.run(in: bench.context()) }
                        try await bench.waitUntilBlocked(connection)
                        let first = Task { try await fifth.query("SELECT FROM events WHERE id = 1 FOR UPDATE") }
                        // What a superuser waits for, only a superuser sees.
                        try await third.wait(
                            until:
                                "SELECT count(*) FROM pg_stat_activity WHERE pid = \(fifth.backendPID) AND wait_event_type = 'Lock'",
                            is: "1")
                        try await third.simple("COMMIT")
                        _ = try await first.value
                        #expect(try await run.value.measures["rows_deleted"] == 9)
                        #expect(clock.sleeps.count == 1)
                        try await connection.wait(
                            until: "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()", is: "1")
                    }
                }
            }
        }
    }

    @Test("a batch that a stricter isolation refuses is tried again", arguments: ["repeatable read", "serializable"])
    func serialization(level: String) async throws {
        try await TestCluster.withDatabase { target in
            try await TestCluster.shared.administrate(
                "ALTER ROLE \(target.user ?? "") SET default_transaction_isolation = '\(level)'")
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await insertOld(15, in: connection)
                try await PostgresConnection.with(target) { other in
                    try await other.simple("BEGIN; UPDATE events SET note = 'touched' WHERE id = 3")
                    let bench = JobBench(target)
                    let job = try retention(["lock_timeout": .duration(.seconds(60))])
                    let run = Task { try await job.run(in: bench.context()) }
                    try await bench.waitUntilBlocked(connection)
                    try await other.simple("COMMIT")
                    #expect(try await run.value.measures["rows_deleted"] == 15)
                    #expect(bench.clock.sleeps == [.milliseconds(100)])
                }
            }
        }
    }

    @Test("a run that is cancelled in mid-batch rolls that batch back and hangs up")
    func cancelled() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await insertOld(15, in: connection)
                try await PostgresConnection.with(target) { other in
                    try await other.simple("BEGIN; SELECT FROM events WHERE id = 12 FOR UPDATE")
                    let bench = JobBench(target)
                    let job = try retention(["lock_timeout": .duration(.seconds(60))])
                    let run = Task { try await bench.failure(of: job) }
                    try await bench.waitUntilBlocked(connection)
                    run.cancel()
                    let error = try await run.value
                    #expect(error.code == .cancelled)
                    #expect(error.measures["rows_deleted"] == 10)
                    try await bench.waitUntilGone(connection)
                    #expect(try await connection.query("SELECT count(*) FROM events").scalar == "5")
                }
            }
        }
    }

    @Test("a run that is cancelled while it pauses ends there")
    func cancelledInPause() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await insertOld(15, in: connection)
                let bench = JobBench(target, clock: JobTestClock { _ in throw CancellationError() })
                let error = try await bench.failure(of: retention(["pause": .duration(.seconds(1))]))
                #expect(error.code == .cancelled)
                #expect(error.measures["rows_deleted"] == 10)
                try await bench.waitUntilGone(connection)
            }
        }
    }

    @Test("a server that stops in mid-run is worth another try, and what was done is told")
    func serverStops() async throws {
        let cluster = try await PrivateCluster.start()
        do {
            try await PostgresConnection.with(cluster.target) { connection in
                try await createEvents(in: connection)
                try await insertOld(25, in: connection)
            }
            let clock = JobTestClock { _ in try await cluster.stop(.immediate) }
            let bench = JobBench(cluster.target, clock: clock)
            let job = try retention(["pause": .duration(.seconds(1))])
            let error = try await bench.failure(of: job)
            #expect(error.code == .databaseUnreachable)
            #expect(error.isWorthRetrying)
            #expect(error.measures["rows_deleted"] == 10)
            let refused = try await bench.failure(of: job)
            #expect(refused.code == .databaseUnreachable)
            #expect(refused.isWorthRetrying)
            #expect(refused.message.contains("cannot be reached"))
        } catch {
            await cluster.remove()
            throw error
        }
        await cluster.remove()
    }
}
