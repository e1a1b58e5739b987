import Command
import Foundation
import Glibc
import Postgres
import TestSupport
import Testing

/// What a daemon makes of the one before it, which did not come to its end.
extension DaemonTests {
    /// A table, and a job on it that takes its time.
    private func slowJob(_ target: ConnectionTarget) async throws -> Installation {
        try await PostgresConnection.with(target) { connection in
            _ = try await connection.simple(
                """
                CREATE TABLE events (id int, at timestamptz);
                INSERT INTO events SELECT i, now() - interval '100 days' - i * interval '1 second' FROM generate_series(1, 1000) i;
                CREATE INDEX ON events (at);
                """)
        }
        return try Installation(
            """
            \(database(target))
            [jobs.slow]
            kind = "retention"
            schedule = "* * * * * *"
            table = "events"
            column = "at"
            keep = "90d"
            batch_rows = 10
            pause = "200ms"
            """)
    }

    private func waitUntilRunning(_ target: ConnectionTarget) async throws {
        try await PostgresConnection.with(target) { connection in
            try await connection.wait(until: "SELECT (count(*) < 1000)::text FROM events", is: "true", patience: .seconds(30))
        }
    }

    @Test("a reload while a job runs touches neither the run nor the daemon")
    func reloadWhileRunning() async throws {
        try await TestCluster.withDatabase { target in
            let installation = try await slowJob(target)
            let end = try await ForegroundDaemon.with(installation) { daemon in
                try await waitUntilRunning(target)
                for _ in 0..<3 {
                    let count = daemon.said.count
                    daemon.signal(SIGHUP)
                    try await daemon.line("configuration reloaded", after: count)
                }
            }
            #expect(end == .exited(0))
            #expect(try await runs(installation, "slow").count { $0["outcome"] as? String == "cancelled" } == 1)
        }
    }

    @Test("a run that a crash cut off is told as interrupted, also while the same job is run by hand")
    func interruptedBesideRunByHand() async throws {
        try await TestCluster.withDatabase { target in
            let installation = try await slowJob(target)
            try await ForegroundDaemon.with(installation) { daemon in
                try await waitUntilRunning(target)
                daemon.signal(SIGKILL)
                try await daemon.ended { false }
            }
            // What a run by hand in another process holds.
            let lock = open("\(installation.state)/locks/slow.lock", O_RDWR | O_CLOEXEC)
            try #require(lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
            defer { close(lock) }
            try await ForegroundDaemon.with(installation) { daemon in try await daemon.line("slow: skipped") }
            let runs = try await runs(installation, "slow")
            #expect(runs.count { $0["error_code"] as? String == "interrupted" } == 1, "\(runs)")
            #expect(!runs.contains { $0["outcome"] is NSNull }, "\(runs)")
        }
    }
}
