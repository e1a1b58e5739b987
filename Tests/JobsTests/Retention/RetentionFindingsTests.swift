import Postgres
import TestSupport
import Testing

@testable import Jobs

@Suite("Retention: what stands in the way") struct RetentionFindingsTests {
    @Test("columns that tell no time, and what is no table, are named and nothing runs")
    func unfit() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple(
                    """
                    CREATE TABLE events (at timestamptz, words text, hour time, number bigint, day date);
                    CREATE VIEW seen AS SELECT * FROM events;
                    CREATE MATERIALIZED VIEW stored AS SELECT * FROM events;
                    """)
                let bench = JobBench(target)
                for (options, message) in [
                    (["column": .text("words")], #"the column "words" is of type text"#),
                    (["column": .text("hour")], #"the column "hour" is of type time"#),
                    (["column": .text("number")], #"the column "number" is of type int8"#),
                    (["column": .text("At")], #"the table events has no column "At""#),
                    (["table": .text("Events")], "there is no table Events"),
                    (["table": .text("audit.events")], "there is no table audit.events"),
                    (["table": .text("seen")], "seen is a view, not a table"),
                    (["table": .text("public.stored")], "public.stored is a materialized view, not a table"),
                ] as [([String: OptionValue], String)] {
                    let job = try retention(options)
                    let findings = try await job.findings(in: bench.context(dryRun: true))
                    #expect(findings.map(\.message) == [message])
                    #expect(findings.allSatisfy { $0.severity == .error && $0.hint != nil })
                    #expect(try await bench.failure(of: job).message == message)
                }
                let elsewhere = JobBench(target, timestamps: "Mars/Olympus_Mons")
                let zone = try await retention(["column": .text("day")]).findings(in: elsewhere.context(dryRun: true))
                #expect(zone.first?.severity == .error)
                #expect(zone.first?.message.contains("Mars/Olympus_Mons") == true)
            }
        }
    }

    @Test("a foreign table is refused, also as a partition")
    func foreign() async throws {
        try await TestCluster.withDatabase { target in
            let chief = try await TestCluster.shared.administrator.with(database: #require(target.database))
            try await PostgresConnection.with(chief) { connection in
                try await connection.simple(
                    """
                    CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
                    CREATE FOREIGN TABLE far (at timestamptz) SERVER nowhere;
                    CREATE TABLE events (at timestamptz) PARTITION BY RANGE (at);
                    CREATE FOREIGN TABLE events_far PARTITION OF events DEFAULT SERVER nowhere;
                    """)
                let bench = JobBench(chief)
                #expect(
                    try await bench.failure(of: retention(["table": .text("far")])).message == "far is a foreign table, not a table"
                )
                let findings = try await retention().findings(in: bench.context(dryRun: true))
                #expect(findings.map(\.message) == ["the partition events_far is a foreign table"])
            }
        }
    }

    @Test("rights that the role lacks are named with the statement that grants them, and that is enough")
    func privileges() async throws {
        try await TestCluster.withDatabase { target in
            let chief = try await TestCluster.shared.administrator.with(database: #require(target.database))
            let role = quoteIdentifier(try #require(target.user))
            try await PostgresConnection.with(chief) { connection in
                try await connection.simple(
                    """
                    CREATE SCHEMA "Audit";
                    CREATE TABLE "Audit"."Events" (at timestamptz) PARTITION BY RANGE (at);
                    CREATE TABLE "Audit"."Events old" PARTITION OF "Audit"."Events" DEFAULT;
                    CREATE INDEX ON "Audit"."Events old" (at);
                    INSERT INTO "Audit"."Events" VALUES ('2020-01-01');
                    """)
                let job = try retention(["table": .text("Audit.Events")])
                let bench = JobBench(target)
                var grants: [String] = []
                while let finding = try await job.findings(in: bench.context(dryRun: true)).first {
                    #expect(finding.severity == .error)
                    let hint = try #require(finding.hint)
                    grants.append(hint)
                    #expect(try await bench.failure(of: job).code == .permissionDenied)
                    guard hint.hasPrefix("GRANT "), grants.count < 5 else { break }
                    try await connection.simple(hint)
                }
                #expect(
                    grants == [
                        #"GRANT USAGE ON SCHEMA "Audit" TO \#(role);"#,
                        #"GRANT SELECT, DELETE ON "Audit"."Events old" TO \#(role);"#,
                    ])
                #expect(try await job.run(in: bench.context()).measures["rows_deleted"] == 1)
            }
        }
    }

    @Test("row-level security makes the run fail instead of reporting that nothing is old")
    func rowSecurity() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await insertOld(3, in: connection)
                try await connection.simple(
                    """
                    ALTER TABLE events ENABLE ROW LEVEL SECURITY; ALTER TABLE events FORCE ROW LEVEL SECURITY;
                    CREATE POLICY recent ON events USING (at > now() - interval '1 day');
                    """)
                let bench = JobBench(target)
                let findings = try await retention().findings(in: bench.context(dryRun: true))
                #expect(findings.map(\.message) == ["row-level security may hide rows of events"])
                let error = try await bench.failure(of: retention())
                #expect(error.code == .permissionDenied)
                #expect(error.message.contains("row-level security"))
                #expect(error.hint != nil)
                try await TestCluster.shared.administrate("ALTER ROLE \(target.user ?? "") BYPASSRLS")
                #expect(try await retention().findings(in: bench.context(dryRun: true)).isEmpty)
                #expect(try await retention().run(in: bench.context()).measures["rows_deleted"] == 3)
            }
        }
    }

    @Test("a row that another table refers to ends the run, by names, and what went before stays gone")
    func foreignKey() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await insertOld(25, in: connection)
                try await connection.simple(
                    """
                    CREATE SCHEMA "Desk";
                    CREATE TABLE "Desk"."Notes" (event int CONSTRAINT "Notes_event_fkey" REFERENCES events);
                    INSERT INTO "Desk"."Notes" VALUES (15);
                    """)
                let bench = JobBench(target)
                let findings = try await retention().findings(in: bench.context(dryRun: true))
                #expect(findings.map(\.severity) == [.warning])
                #expect(findings.first?.message.contains("Notes_event_fkey") == true)
                let error = try await bench.failure(of: retention())
                #expect(error.code == .rowsProtected)
                #expect(error.sqlState == "23503")
                #expect(!error.isWorthRetrying)
                #expect(error.message.contains("Notes_event_fkey") && error.message.hasSuffix("(while deleting from events)"))
                #expect(
                    error.hint
                        == "Rows of Desk.Notes still refer to them (constraint Notes_event_fkey); delete those first, or give the constraint ON DELETE CASCADE or SET NULL."
                )
                #expect(error.measures == [Measure("rows_deleted", 10), Measure("batches", 1)])
                #expect(try await connection.query("SELECT count(*) FROM events").scalar == "15")

                try await connection.simple(
                    """
                    ALTER TABLE "Desk"."Notes" DROP CONSTRAINT "Notes_event_fkey";
                    ALTER TABLE "Desk"."Notes" ADD FOREIGN KEY (event) REFERENCES events ON DELETE CASCADE;
                    """)
                #expect(try await retention().findings(in: bench.context(dryRun: true)).first?.message.contains("CASCADE") == true)
                #expect(try await retention().run(in: bench.context()).measures["rows_deleted"] == 15)
                #expect(try await connection.query(#"SELECT count(*) FROM "Desk"."Notes""#).scalar == "0")
            }
        }
    }

    @Test("looking changes nothing and waits for nobody, also where the role may only read")
    func looksOnly() async throws {
        try await TestCluster.withDatabase { target in
            try await TestCluster.shared.administrate(
                "ALTER ROLE \(target.user ?? "") SET default_transaction_read_only = on")
            try await PostgresConnection.with(target) { connection in
                try await connection.simple("SET default_transaction_read_only = off")
                try await createEvents(in: connection, indexed: false)
                try await insertOld(3, in: connection)
                try await connection.simple("BEGIN; LOCK TABLE events")
                let bench = JobBench(target)
                let findings = try await retention(["lock_timeout": .duration(.milliseconds(100))]).findings(
                    in: bench.context(dryRun: true))
                #expect(findings.map(\.severity) == [.warning])
                #expect(findings.first?.hint == #"CREATE INDEX CONCURRENTLY ON "public"."events" ("at");"#)
                try await connection.simple("ROLLBACK")
                let error = try await bench.failure(of: retention())
                #expect(error.sqlState == "25006")
                #expect(error.hint?.contains("default_transaction_read_only") == true)
                #expect(try await connection.query("SELECT count(*) FROM events").scalar == "3")
            }
        }
    }

    @Test("a statement that the role's own time limit ends says what to do")
    func statementTimeout() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await createEvents(in: connection)
                try await insertOld(3, in: connection)
                try await connection.simple(
                    """
                    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN OLD; END';
                    CREATE TRIGGER dawdle BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION dawdle();
                    """)
                try await TestCluster.shared.administrate("ALTER ROLE \(target.user ?? "") SET statement_timeout = '300ms'")
                let error = try await JobBench(target).failure(of: retention())
                #expect(error.sqlState == "57014")
                #expect(error.code == .statementFailed)
                #expect(error.hint?.contains("statement_timeout") == true)
            }
        }
    }
}
