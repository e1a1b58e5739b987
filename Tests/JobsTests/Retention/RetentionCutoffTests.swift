import Foundation
import Postgres
import Schedule
import TestSupport
import Testing

@testable import Jobs

@Suite("Retention: the cut-off") struct RetentionCutoffTests {
    /// Zones of which at least one has another day than UTC at any time.
    static let zones = ["UTC", "Asia/Kolkata", "Pacific/Kiritimati", "Etc/GMT+12"]

    @Test(
        "rows minutes older than the limit go and minutes younger stay, whatever zone server and column are in",
        arguments: ["timestamp(3)", "timestamptz"], zones)
    func minutes(type: String, zone: String) async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                #expect(
                    try await connection.query("SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'").scalar == "Asia/Kolkata"
                )
                let moment = type == "timestamptz" ? "m" : "m AT TIME ZONE '\(zone)'"
                try await connection.simple(
                    """
                    CREATE TABLE events (id int, at \(type));
                    CREATE INDEX ON events (at);
                    INSERT INTO events SELECT i, \(moment) FROM (VALUES (1, -3000), (2, -5), (3, 5), (4, 3000)) AS v (i, d),
                        LATERAL (SELECT now() - interval '90 days' + d * interval '1 minute') AS l (m);
                    """)
                let summary = try await retention().run(in: JobBench(target, timestamps: zone).context())
                #expect(summary.measures["rows_deleted"] == 2)
                #expect(try await connection.column("SELECT id FROM events ORDER BY 1") == ["3", "4"])
            }
        }
    }

    @Test("of a date column the days go that were over altogether at the limit, in the column's zone", arguments: zones)
    func days(zone: String) async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple("CREATE TABLE events (at date); CREATE INDEX ON events (at)")
                let today = try #require(
                    try await connection.query("SELECT (now() AT TIME ZONE '\(zone)')::date").scalar)
                try await connection.query(
                    "INSERT INTO events SELECT $1::date - i FROM generate_series(87, 93) AS i", [.text(today)])
                _ = try await retention().run(in: JobBench(target, timestamps: zone).context())
                let kept = try await connection.column("SELECT $$\(today)$$::date - at FROM events ORDER BY 1")
                #expect(kept == ["87", "88", "89", "90"])
            }
        }
    }

    @Test("an age is counted in hours that passed, also across a change of daylight saving")
    func daylightSaving() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                // An age at which New York was on the other side of the last change.
                let days = try #require(
                    try await connection.query(
                        """
                        SELECT min(d) + 10 FROM generate_series(1, 300) AS d WHERE
                            ((now() - d * interval '24 hours') AT TIME ZONE 'America/New_York') + d * interval '24 hours'
                                <> now() AT TIME ZONE 'America/New_York'
                        """
                    ).scalar.flatMap { Int64($0) })
                try await connection.simple(
                    """
                    CREATE TABLE events (id int, at timestamp);
                    INSERT INTO events SELECT i, (now() - \(days) * interval '24 hours' + d * interval '1 minute') AT TIME ZONE 'America/New_York'
                    FROM (VALUES (1, -90), (2, -5), (3, 5), (4, 90)) AS v (i, d);
                    """)
                let job = try retention(["keep": .duration(.seconds(days * 86400))])
                _ = try await job.run(in: JobBench(target, timestamps: "America/New_York").context())
                #expect(try await connection.column("SELECT id FROM events ORDER BY 1") == ["3", "4"])
            }
        }
    }

    @Test("the zone of the process and of the role have no say")
    func processZone() async throws {
        try await TestCluster.withDatabase { target in
            try await TestCluster.shared.administrate("ALTER ROLE \(target.user ?? "") SET timezone = 'America/New_York'")
            try await PostgresConnection.with(target) { connection in
                try await connection.simple(
                    """
                    CREATE TABLE events (id int, at timestamp);
                    INSERT INTO events SELECT i, (now() - interval '90 days' + d * interval '1 minute') AT TIME ZONE 'UTC'
                    FROM (VALUES (1, -5), (2, 5)) AS v (i, d);
                    """)
                await #expect(processExitsWith: .exitCode(7)) { [keywords = target.keywords as [String: String]] in
                    setenv("TZ", "America/New_York", 1)
                    setenv("PGTZ", "America/New_York", 1)
                    let bench = JobBench(ConnectionTarget(keywords: keywords))
                    let summary = try await retention().run(in: bench.context())
                    exit(summary.measures["rows_deleted"] == 1 ? 7 : 1)
                }
                #expect(try await connection.column("SELECT id FROM events") == ["2"])
            }
        }
    }

    @Test("a host whose clock differs from the server's deletes nothing and says by how much", arguments: [-3600, 3600])
    func clocks(seconds: Int) async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await insertOld(3, in: connection)
                let bench = JobBench(target, clock: JobTestClock(offBy: .seconds(seconds)))
                let error = try await bench.failure(of: retention())
                #expect(error.code == .clockDisagrees)
                #expect(error.message.contains(seconds < 0 ? "ahead of this host's" : "behind this host's"))
                #expect(error.message.contains("1 h") || error.message.contains("59 min"))
                #expect(try await connection.query("SELECT count(*) FROM events").scalar == "3")
                let patient = try retention(["max_clock_difference": .duration(.seconds(7200))])
                #expect(try await patient.run(in: bench.context()).measures["rows_deleted"] == 3)
            }
        }
    }
}
