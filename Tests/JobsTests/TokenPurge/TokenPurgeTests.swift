import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Jobs

@Suite("TokenPurge", .timeLimit(.minutes(2))) struct TokenPurgeTests {
    /// A job over Prisma's `users`, unless said otherwise.
    private func purge(_ options: [String: OptionValue] = [:]) throws -> TokenPurgeJob {
        let standard: [String: OptionValue] = [
            "table": .text("users"), "token": .text("passwordResetToken"), "expires": .text("passwordResetExpires"),
            "batch_rows": .integer(3),
        ]
        return try make(TokenPurgeJob.self, standard.merging(options) { $1 })
    }

    private static let expired = #"SELECT count(*) FROM users WHERE "passwordResetExpires" < now() AT TIME ZONE 'UTC'"#
    private static let tokens = #"SELECT count(*) FROM users WHERE "passwordResetToken" IS NOT NULL"#

    @Test("expired tokens and their expiry become NULL in batches, nothing else changes, and no token is told")
    func clears() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await SchoolERP.create(in: connection)
                try await SchoolERP.fill(connection, activities: 0, users: 100)
                let secrets = try await connection.column(
                    #"SELECT "passwordResetToken" FROM users WHERE "passwordResetToken" IS NOT NULL"#)
                #expect(secrets.count == 20)
                let others =
                    #"SELECT md5(string_agg(concat(id, email, password, name, role, "createdAt", "updatedAt"), ',' ORDER BY id)) FROM users"#
                let before = try await connection.query(others).scalar
                let bench = JobBench(target)
                let dry = try await purge().run(in: bench.context(dryRun: true))
                #expect(dry.measures == [Measure("tokens_to_clear", 16)])
                #expect(try await connection.query(Self.tokens).scalar == "20")
                let summary = try await purge().run(in: bench.context())
                #expect(summary.measures == [Measure("tokens_cleared", 16), Measure("batches", 6), Measure("tokens_left", 0)])
                #expect(summary.sentence == "cleared 16 expired tokens of users")
                #expect(try await connection.query(Self.tokens).scalar == "4")
                #expect(try await connection.query(Self.expired).scalar == "0")
                #expect(try await connection.query(others).scalar == before)
                let told = "\(dry)\(summary)\(bench.log.messages)"
                #expect(!secrets.contains { told.contains($0) })
                #expect(try await purge().run(in: bench.context()).sentence == "no token of users has expired")
            }
        }
    }

    @Test("rows that somebody holds are passed over at once, told of, and come next time", arguments: [1, 3, 1000])
    func locked(batchRows: Int64) async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await SchoolERP.create(in: connection)
                try await SchoolERP.fill(connection, activities: 0, users: 100)
                try await PostgresConnection.with(target) { other in
                    try await other.simple("BEGIN; UPDATE users SET name = 'held' WHERE id IN ('user-5', 'user-10', 'user-95')")
                    let bench = JobBench(target)
                    let job = try purge(["batch_rows": .integer(batchRows)])
                    let summary = try await job.run(in: bench.context())
                    #expect(summary.measures["tokens_cleared"] == 13)
                    #expect(summary.measures["tokens_left"] == 3)
                    #expect(
                        summary.sentence == "cleared 13 expired tokens of users; 3 rows that somebody holds locked come next time")
                    #expect(bench.clock.sleeps.isEmpty)
                    try await other.simple("COMMIT")
                    #expect(try await job.run(in: bench.context()).measures["tokens_cleared"] == 3)
                }
            }
        }
    }

    /// Three users whose tokens have expired.
    private static func users(hasKey: Bool) -> String {
        """
        CREATE TABLE users (id int \(hasKey ? "PRIMARY KEY" : ""), "passwordResetToken" text, "passwordResetExpires" timestamptz);
        INSERT INTO users SELECT i, 'old' || i, now() - interval '1 hour' FROM generate_series(1, 3) AS i;
        """
    }

    private static let renewal =
        #"UPDATE users SET "passwordResetToken" = 'new', "passwordResetExpires" = now() + interval '1 hour' WHERE id = 2"#
    private static let contents = #"SELECT id || ':' || coalesce("passwordResetToken", '') FROM users ORDER BY 1"#

    @Test("a token that is renewed while the search goes on survives", arguments: [true, false])
    func renewedInSearch(hasKey: Bool) async throws {
        try await TestCluster.withDatabase { target in
            // An operator of the test's own makes the search stop at the first row, its snapshot taken and nothing locked.
            try await TestCluster.shared.administrate("ALTER ROLE \(target.user ?? "") SET search_path = public, pg_catalog")
            try await PostgresConnection.with(target) { connection in
                try await connection.simple(
                    Self.users(hasKey: hasKey) + """
                        CREATE FUNCTION earlier(timestamptz, timestamptz) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
                            PERFORM pg_advisory_xact_lock(7);
                            RETURN $1 OPERATOR(pg_catalog.<) $2;
                        END $$;
                        CREATE OPERATOR public.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = earlier);
                        """)
                try await PostgresConnection.with(target) { gate in
                    try await gate.query("SELECT pg_advisory_lock(7)")
                    let bench = JobBench(target)
                    let job = try purge(["lock_timeout": .duration(.seconds(60))])
                    let run = Task { try await job.run(in: bench.context()) }
                    try await bench.waitUntilBlocked(connection)
                    try await connection.simple(Self.renewal)
                    try await gate.query("SELECT pg_advisory_unlock(7)")
                    #expect(try await run.value.measures["tokens_cleared"] == 2)
                    #expect(try await connection.column(Self.contents) == ["1:", "2:new", "3:"])
                }
            }
        }
    }

    @Test("a renewal that comes while rows are cleared waits for that and stays", arguments: [true, false])
    func renewedInClearing(hasKey: Bool) async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple(
                    Self.users(hasKey: hasKey) + """
                        CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
                            'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END';
                        CREATE TRIGGER hold BEFORE UPDATE ON users FOR EACH STATEMENT
                            WHEN (current_setting('application_name') = '\(JobBench.applicationName)') EXECUTE FUNCTION hold();
                        """)
                try await PostgresConnection.with(target) { gate in
                    try await PostgresConnection.with(target) { application in
                        try await gate.query("SELECT pg_advisory_lock(7)")
                        let bench = JobBench(target)
                        let job = try purge(["lock_timeout": .duration(.seconds(60))])
                        let run = Task { try await job.run(in: bench.context()) }
                        try await bench.waitUntilBlocked(connection)
                        let renewal = Task { try await application.simple(Self.renewal) }
                        try await connection.wait(
                            until: "SELECT wait_event_type FROM pg_stat_activity WHERE pid = \(application.backendPID)", is: "Lock")
                        try await gate.query("SELECT pg_advisory_unlock(7)")
                        #expect(try await run.value.measures["tokens_cleared"] == 3)
                        _ = try await renewal.value
                        #expect(try await connection.column(Self.contents) == ["1:", "2:new", "3:"])
                    }
                }
            }
        }
    }

    @Test("rights on the columns that it names are enough, and the password cannot be read with them")
    func columnRights() async throws {
        try await TestCluster.withDatabase { target in
            let chief = try await TestCluster.shared.administrator.with(database: #require(target.database))
            let role = quoteIdentifier(try #require(target.user))
            try await PostgresConnection.with(chief) { connection in
                try await SchoolERP.create(in: connection)
                try await SchoolERP.fill(connection, activities: 0, users: 50)
                let bench = JobBench(target)
                let wanted = try await purge().findings(in: bench.context(dryRun: true)).compactMap(\.hint)
                #expect(
                    wanted == [
                        #"GRANT SELECT ("id") ON "public"."users" TO \#(role);"#,
                        #"GRANT SELECT ("passwordResetToken") ON "public"."users" TO \#(role);"#,
                        #"GRANT SELECT ("passwordResetExpires") ON "public"."users" TO \#(role);"#,
                        #"GRANT UPDATE ("passwordResetToken") ON "public"."users" TO \#(role);"#,
                        #"GRANT UPDATE ("passwordResetExpires") ON "public"."users" TO \#(role);"#,
                    ])
                let error = try await bench.failure(of: purge())
                #expect(error.code == .permissionDenied)
                for statement in wanted { try await connection.simple(statement) }
                #expect(try await purge().findings(in: bench.context(dryRun: true)).isEmpty)
                #expect(try await purge().run(in: bench.context()).measures["tokens_cleared"] == 8)
                try await PostgresConnection.with(target) { session in
                    await #expect(throws: PostgresError.self) { try await session.query("SELECT password FROM users") }
                }
            }
        }
    }

    @Test("without a primary key rows are known by their place, also in partitions, and that needs SELECT on the table")
    func noKey() async throws {
        try await TestCluster.withDatabase { target in
            let chief = try await TestCluster.shared.administrator.with(database: #require(target.database))
            let role = quoteIdentifier(try #require(target.user))
            try await PostgresConnection.with(chief) { connection in
                try await connection.simple(
                    """
                    CREATE TABLE users (part int, "passwordResetToken" text, "passwordResetExpires" timestamptz) PARTITION BY LIST (part);
                    CREATE TABLE users_1 PARTITION OF users FOR VALUES IN (1);
                    CREATE TABLE users_2 PARTITION OF users FOR VALUES IN (2);
                    INSERT INTO users SELECT 1 + abs(i) % 2, 'token' || i, now() - i * interval '1 hour' FROM generate_series(-3, 20) AS i;
                    GRANT SELECT (part, "passwordResetToken", "passwordResetExpires") ON users TO \(role);
                    GRANT UPDATE ("passwordResetToken", "passwordResetExpires") ON users TO \(role);
                    """)
                let bench = JobBench(target)
                let findings = try await purge().findings(in: bench.context(dryRun: true))
                #expect(findings.map(\.severity) == [.error])
                #expect(
                    findings.first?.message
                        == "users has no primary key, so the role \(target.user ?? "") needs SELECT on all of it")
                #expect(findings.first?.hint?.hasSuffix(#"GRANT SELECT ON "public"."users" TO \#(role);"#) == true)
                #expect(try await bench.failure(of: purge()).code == .permissionDenied)
                try await connection.simple("GRANT SELECT ON users TO \(role)")
                #expect(try await purge().findings(in: bench.context(dryRun: true)).isEmpty)
                // The same place in the other partition is held: it must neither be waited for nor counted.
                try await PostgresConnection.with(chief) { other in
                    try await other.simple("BEGIN; SELECT FROM users_2 FOR UPDATE")
                    let summary = try await purge(["batch_rows": .integer(2)]).run(in: bench.context())
                    #expect(bench.clock.sleeps.isEmpty)
                    let half = try await connection.query("SELECT count(*) FROM users_1 WHERE \"passwordResetToken\" IS NULL")
                        .first?[0]
                    #expect(summary.measures["tokens_cleared"].map(String.init) == half)
                    try await other.simple("ROLLBACK")
                }
                _ = try await purge(["batch_rows": .integer(2)]).run(in: bench.context())
                #expect(
                    try await connection.query("SELECT count(*) FROM users WHERE \"passwordResetToken\" IS NOT NULL").scalar == "3")
            }
        }
    }

    @Test(
        "names may be mixed, keys of several columns and types, and the expiry of any type in any zone",
        arguments: ["timestamp", "timestamptz", "date"], ["UTC", "Asia/Kolkata", "Pacific/Kiritimati", "Etc/GMT+12"])
    func shapes(type: String, zone: String) async throws {
        let name = QualifiedName(schema: "Auth X", name: #"Us"ers.2"#)
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                let moment = type == "timestamptz" ? "m" : "m AT TIME ZONE '\(zone)'"
                try await connection.simple(
                    """
                    CREATE SCHEMA "Auth X";
                    CREATE TYPE "Auth X"."Kind" AS ENUM ('Pupil', 'a teacher');
                    CREATE TABLE \(name.sql) ("Kind" "Auth X"."Kind", "born At" timestamptz, code char(4), extra int, "To""ken" text, "Ends" \(type),
                        PRIMARY KEY ("Kind", "born At", code) INCLUDE (extra));
                    INSERT INTO \(name.sql) SELECT (enum_range(NULL::"Auth X"."Kind"))[1 + i % 2], now() - i % 3 * interval '1.000001 s', i, i, 't' || i,
                        (\(moment))::\(type) FROM generate_series(1, 20) AS i, LATERAL (SELECT now() + (i - 10.5) * interval '1 day') AS l (m);
                    """)
                let expired = try await connection.query(
                    """
                    SELECT count(*) FROM \(name.sql)
                    WHERE "Ends" < \(type == "timestamptz" ? "now()" : "(now() AT TIME ZONE '\(zone)')::\(type)")
                    """
                ).first?.int("count")
                let job = try purge([
                    "table": .text(name.description), "token": .text(#"To"ken"#), "expires": .text("Ends"),
                ])
                let bench = JobBench(target, timestamps: zone)
                #expect(try await job.findings(in: bench.context(dryRun: true)).isEmpty)
                let summary = try await job.run(in: bench.context())
                #expect(summary.measures["tokens_cleared"] == expired.map(Int64.init))
                #expect((9...11).contains(try #require(expired)))
                let left = try await connection.query("SELECT count(*) FROM \(name.sql) WHERE \"To\"\"ken\" IS NOT NULL").scalar
                #expect(left == String(20 - (expired ?? 0)))
            }
        }
    }

    @Test("columns that do not fit are refused before anything is touched")
    func unfit() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple(
                    """
                    CREATE DOMAIN needed AS text NOT NULL;
                    CREATE TABLE users (id int PRIMARY KEY, token text NOT NULL, ends timestamptz NOT NULL, word text, loose text, due needed, free timestamptz);
                    INSERT INTO users VALUES (1, 'secret-token', now() - interval '1 day', 'x', 'y', 'z');
                    CREATE VIEW seen AS SELECT * FROM users;
                    """)
                let bench = JobBench(target)
                for (options, messages) in [
                    (
                        ["token": "token", "expires": "ends"],
                        [
                            #"the column "ends" is NOT NULL, so it cannot be cleared"#,
                            #"the column "token" is NOT NULL, so it cannot be cleared"#,
                        ]
                    ),
                    (["token": "due", "expires": "free"], [#"the column "due" is NOT NULL, so it cannot be cleared"#]),
                    (["token": "loose", "expires": "word"], [#"the column "word" is of type text"#]),
                    (["token": "Loose", "expires": "ends"], [#"the table users has no column "Loose""#]),
                    (["token": "loose", "expires": "ends", "table": "seen"], ["seen is a view, not a table"]),
                    (["token": "loose", "expires": "ends", "table": "nobody"], ["there is no table nobody"]),
                ] as [([String: String], [String])] {
                    let job = try purge(options.mapValues { .text($0) })
                    let findings = try await job.findings(in: bench.context(dryRun: true))
                    #expect(findings.map(\.message) == messages)
                    #expect(findings.allSatisfy { $0.severity == .error && $0.hint != nil })
                    #expect(try await bench.failure(of: job).message == messages[0])
                }
                #expect(try await connection.column("SELECT token FROM users") == ["secret-token"])
            }
        }
    }

    @Test("a failure tells nothing of the row that the server refused")
    func failureIsDiscreet() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple(
                    """
                    CREATE TABLE users (id int PRIMARY KEY, "passwordResetToken" text, copy text, "passwordResetExpires" timestamptz,
                        CONSTRAINT both_or_none CHECK (copy IS NULL OR "passwordResetToken" IS NOT NULL));
                    INSERT INTO users VALUES (1, 'secret-token', NULL, now() - interval '1 day'),
                        (9, 'secret-token', 'secret-token', now() - interval '1 day');
                    """)
                let bench = JobBench(target)
                let error = try await bench.failure(of: purge(["batch_rows": .integer(1)]))
                #expect(error.sqlState == "23514")
                #expect(error.message.contains("both_or_none"))
                #expect(error.measures["tokens_cleared"] == 1)
                #expect(!"\(error) \(bench.log.messages)".contains("secret-token"))
            }
        }
    }

    @Test("row-level security makes it fail instead of reporting that nothing has expired")
    func rowSecurity() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await SchoolERP.create(in: connection)
                try await SchoolERP.fill(connection, activities: 0, users: 50)
                try await connection.simple(
                    "ALTER TABLE users ENABLE ROW LEVEL SECURITY; ALTER TABLE users FORCE ROW LEVEL SECURITY")
                let bench = JobBench(target)
                #expect(
                    try await purge().findings(in: bench.context(dryRun: true)).map(\.message) == [
                        "row-level security may hide rows of users"
                    ])
                let error = try await bench.failure(of: purge())
                #expect(error.code == .permissionDenied)
                #expect(error.hint?.contains("BYPASSRLS") == true || error.hint?.contains("ROW LEVEL SECURITY") == true)
            }
        }
    }

    @Test("a table that is held is waited for as long as lock_timeout says, and tried again")
    func tableHeld() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await SchoolERP.create(in: connection)
                try await SchoolERP.fill(connection, activities: 0, users: 50)
                try await PostgresConnection.with(target) { other in
                    try await other.simple("BEGIN; LOCK TABLE users")
                    let clock = JobTestClock { if $0 == 1 { try await other.simple("COMMIT") } }
                    let job = try purge(["lock_timeout": .duration(.milliseconds(100))])
                    #expect(try await job.run(in: JobBench(target, clock: clock).context()).measures["tokens_cleared"] == 8)
                    #expect(clock.sleeps.count == 1)
                }
            }
        }
    }
}
