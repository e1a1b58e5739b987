import Postgres
import Synchronization
import TestSupport
import Testing

@Suite struct PostgresConnectionTests {
    @Test("a session is in UTC, whatever the server says, and has what was asked for")
    func sessionSettings() async throws {
        try await TestCluster.withDatabase { target in
            var options = SessionOptions(
                applicationName: "caretaker nightly", lockTimeout: .milliseconds(1500), statementTimeout: .seconds(90))
            options.settings["work_mem"] = "12MB"
            try await PostgresConnection.with(target, options: options) { connection in
                let row = try #require(
                    try await connection.query(
                        """
                        SELECT current_setting('TimeZone') AS zone, current_setting('DateStyle') AS style,
                            current_setting('client_encoding') AS encoding, current_setting('lock_timeout') AS lock,
                            current_setting('statement_timeout') AS statement, current_setting('work_mem') AS memory,
                            current_setting('application_name') AS name, pg_backend_pid() AS pid, current_user AS role,
                            current_setting('server_version_num') AS version, current_database() AS database,
                            (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone') AS server_zone,
                            current_setting('is_superuser') AS superuser
                        """
                    ).first)
                #expect(row["zone"] == "UTC")
                #expect(row["server_zone"] == "Asia/Kolkata")
                #expect(row["style"] == "ISO, MDY")
                #expect(row["encoding"] == "UTF8")
                #expect(row["lock"] == "1500ms")
                #expect(row["statement"] == "90s")
                #expect(row["memory"] == "12MB")
                #expect(row["name"] == "caretaker nightly")
                #expect(row.int("pid") == Int(connection.backendPID))
                #expect(row["role"] == connection.user)
                #expect(row.int("version") == connection.serverVersion)
                #expect(row["database"] == connection.database)
                #expect(row["superuser"] == "off")
                #expect(await connection.parameterStatus("TimeZone") == "UTC")
            }
        }
    }

    @Test("the target's schema is the search path, whatever its characters")
    func searchPath() async throws {
        try await TestCluster.withDatabase { target in
            let schema = "My \"odd\", schema's\\"
            try await PostgresConnection.with(target) {
                try await $0.simple("CREATE SCHEMA \(quoteIdentifier(schema))")
            }
            let inSchema = ConnectionTarget(keywords: target.keywords, schema: schema)
            try await PostgresConnection.with(inSchema) { connection in
                let current = try await connection.query("SELECT current_schema()").scalar
                #expect(current == schema)
            }
        }
    }

    @Test("values come back as they went, of every kind")
    func parameters() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                let odd = "it's \"odd\" \\ ☃ \n\t {},"
                let row = try #require(
                    try await connection.query(
                        """
                        SELECT $1::text AS text, $2::bigint AS int, $3::boolean AS yes, $4::bytea AS bytes, $5::text[] AS texts,
                            $6::bigint[] AS ints, $7::text AS nothing, $8::float8 AS double, ($5::text[])[1] AS first,
                            '' AS empty, cardinality($5::text[]) AS count, $9::float8 AS infinite
                        """,
                        [
                            .text(odd), .int(Int64.min), .bool(true), .bytes([0, 1, 0xAB, 0xFF]),
                            .texts([odd, "NULL", ""]),
                            .ints([1, -2]), .null, .double(0.1), .double(-.infinity),
                        ]
                    ).first)
                #expect(row.string("text") == odd)
                #expect(row.int64("int") == Int64.min)
                #expect(row.bool("yes") == true)
                #expect(row.bytes("bytes") == [0, 1, 0xAB, 0xFF])
                #expect(row["first"] == odd)
                #expect(row.int("count") == 3)
                #expect(row["ints"] == "{1,-2}")
                #expect(row["nothing"] == nil)
                #expect(row.int("nothing") == nil)
                #expect(row["empty"] == "")
                #expect(row.double("double") == 0.1)
                #expect(row.double("infinite") == -.infinity)
            }
        }
    }

    @Test("ten thousand rows arrive in order, NULLs among them")
    func manyRows() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                let rows = try await connection.query(
                    "SELECT i, CASE WHEN i % 3 = 0 THEN NULL ELSE 'row ' || i END AS t FROM generate_series(1, 10000) i"
                )
                #expect(rows.count == 10_000)
                #expect(rows.columns == ["i", "t"])
                #expect(rows.affected == 10_000)
                let isRight = rows.enumerated().allSatisfy { index, row in
                    row.int("i") == index + 1 && row["t"] == ((index + 1) % 3 == 0 ? nil : "row \(index + 1)")
                }
                #expect(isRight)
            }
        }
    }

    @Test("names with quotes, dots, blanks and capitals work when quoted")
    func oddNames() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                let table = try QualifiedName("\"My \"\"S\"\".chema\".\"T'able \\ ☃\"")
                let column = "select \"x\" -- 'y'"
                try await connection.simple("CREATE SCHEMA \(quoteIdentifier(table.schema ?? ""))")
                try await connection.simple("CREATE TABLE \(table.sql) (\(quoteIdentifier(column)) text)")
                let literal = "'; DROP TABLE \\'x"
                #expect(try await connection.execute("INSERT INTO \(table.sql) VALUES (\(quoteLiteral(literal)))") == 1)
                let rows = try await connection.query("SELECT \(quoteIdentifier(column)) FROM \(table.sql)")
                #expect(rows.columns == [column])
                #expect(rows.scalar == literal)
                try await connection.simple("SET standard_conforming_strings = off")
                #expect(try await connection.query("SELECT \(quoteLiteral(literal))").scalar == literal)
            }
        }
    }

    @Test("execute counts the rows that a statement touched")
    func counts() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                #expect(try await connection.execute("CREATE TABLE t (i int)") == 0)
                #expect(
                    try await connection.execute("INSERT INTO t SELECT generate_series(1, $1::int)", [.int(7)]) == 7)
                #expect(try await connection.execute("UPDATE t SET i = i WHERE i > 4") == 3)
                #expect(try await connection.execute("DELETE FROM t WHERE i = ANY($1)", [.ints([1, 2, 99])]) == 2)
                let results = try await connection.simple("SELECT 1; SELECT 2, 3")
                #expect(results.map(\.scalar) == ["1", "2"])
                #expect(try await connection.query("").isEmpty)
            }
        }
    }

    @Test("an error carries what the server said, and the session goes on")
    func errors() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple(
                    """
                    CREATE TABLE parent (id int PRIMARY KEY);
                    CREATE TABLE child (p int CONSTRAINT child_needs_parent REFERENCES parent);
                    INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1)
                    """)
                let protected = try await error { try await connection.query("DELETE FROM parent") }
                #expect(protected.sqlState == .foreignKeyViolation)
                #expect(protected.constraint == "child_needs_parent")
                #expect(protected.table == "child")
                #expect(protected.schema == "public")
                #expect(protected.severity == "ERROR")
                #expect(protected.detail?.contains("still referenced") == true)
                #expect(!protected.isWorthRetrying && !protected.isConnectionLost && !protected.isCancelled)

                let missing = try await error { try await connection.query("SELECT 1 FROM nowhere") }
                #expect(missing.sqlState == .undefinedTable)
                #expect(missing.position == 15)
                #expect(
                    try await error { try await connection.query("SELECT x FROM parent") }.sqlState == .undefinedColumn)
                let nul = try await error { try await connection.query("SELECT $1::text", [.text("a\0b")]) }
                #expect(nul.message.contains("NUL"))
                // Several statements are one transaction, and the first error is the one that counts.
                let several = try await error {
                    try await connection.simple("INSERT INTO parent VALUES (2); SELECT 1/0")
                }
                #expect(several.sqlState == "22012")
                #expect(try await connection.query("SELECT count(*) FROM parent").scalar == "1")
            }
        }
    }

    @Test("a COPY in the wrong call is an error, and the session goes on")
    func misplacedCopy() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple("CREATE TABLE t (i int)")
                _ = try await error { try await connection.query("COPY t TO STDOUT") }
                _ = try await error { try await connection.query("COPY t FROM STDIN") }
                do throws(CopyOutError) {
                    _ = try await connection.copyOut("SELECT 1") { _ in Issue.record("no bytes were to come") }
                    Issue.record("a SELECT is no COPY")
                } catch {
                    if case .sink = error { Issue.record("the sink had no part in it") }
                }
                try await expectUsable(connection)
            }
        }
    }

    @Test("what the server says beside its answer is kept until the next statement")
    func notices() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple("SET client_min_messages = 'notice'")
                try await connection.query("DROP TABLE IF EXISTS nowhere")
                let notice = try #require(await connection.notices.first)
                #expect(notice.severity == "NOTICE" && notice.message.contains("nowhere") && !notice.isWarning)
                try await connection.query("VACUUM pg_catalog.pg_authid")
                let warning = try #require(await connection.notices.first)
                #expect(warning.isWarning && warning.message.contains("skipping"))
                try await connection.query("SELECT 1")
                #expect(await connection.notices.isEmpty)
            }
        }
    }

    @Test("a lock that somebody else holds is not waited for longer than the lock timeout")
    func lockTimeout() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { holder in
                try await holder.simple("CREATE TABLE t (i int)")
                try await holder.simple("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
                let impatient = SessionOptions(lockTimeout: .milliseconds(20))
                try await PostgresConnection.with(target, options: impatient) { connection in
                    let refusal = try await error { try await connection.query("SELECT count(*) FROM t") }
                    #expect(refusal.sqlState == .lockNotAvailable)
                    #expect(refusal.isWorthRetrying)
                    try await holder.simple("ROLLBACK")
                    #expect(try await connection.query("SELECT count(*) FROM t").scalar == "0")
                }
            }
        }
    }

    @Test("a transaction commits, rolls back when its body throws, and does not pass over a failed statement")
    func transactions() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple("CREATE TABLE t (i int)")
                let inserted = try await connection.transaction { () async throws(PostgresError) in
                    #expect(await connection.transactionState == .open)
                    return try await connection.execute("INSERT INTO t VALUES (1)")
                }
                #expect(inserted == 1)
                let failure = try await error {
                    try await connection.transaction { () async throws(PostgresError) in
                        try await connection.execute("INSERT INTO t VALUES (2)")
                        throw PostgresError("changed our mind")
                    }
                }
                #expect(failure.message == "changed our mind")
                #expect(await connection.transactionState == .idle)
                let swallowed = try await error {
                    try await connection.transaction { () async throws(PostgresError) in
                        try await connection.execute("INSERT INTO t VALUES (3)")
                        do throws(PostgresError) {
                            try await connection.query("SELECT 1/0")
                        } catch {
                            #expect(error.sqlState == "22012")
                        }
                    }
                }
                #expect(swallowed.sqlState == .inFailedTransaction)
                #expect(try await connection.query("SELECT array_agg(i) FROM t").scalar == "{1}")
            }
        }
    }

    @Test("one call after another is served, from whichever tasks they come")
    func concurrentCallers() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                let sum = try await withThrowingTaskGroup(of: Int.self) { group in
                    for number in 1...50 {
                        group.addTask {
                            Int(try await connection.query("SELECT $1::int", [.int(number)]).scalar ?? "") ?? 0
                        }
                    }
                    return try await group.reduce(0, +)
                }
                #expect(sum == 1275)
            }
        }
    }

    @Test("a closed connection refuses, again and again, and can be closed twice")
    func closed() async throws {
        try await TestCluster.withDatabase { target in
            let connection = try await PostgresConnection.connect(to: target)
            await connection.close()
            await connection.close()
            for _ in 1...3 {
                let refusal = try await error { try await connection.query("SELECT 1") }
                #expect(refusal.isConnectionLost && refusal.sqlState == nil)
            }
            #expect(await connection.transactionState == .unknown)
        }
    }
}

/// The PostgresError that a body throws.
func error(
    _ location: SourceLocation = #_sourceLocation, of body: () async throws -> some Any
) async throws -> PostgresError {
    do {
        _ = try await body()
    } catch let error as PostgresError {
        return error
    }
    Issue.record("nothing was thrown", sourceLocation: location)
    return PostgresError("nothing was thrown")
}

/// A connection answers, and with what was asked.
func expectUsable(
    _ connection: PostgresConnection, _ location: SourceLocation = #_sourceLocation
) async throws {
    let count = try await connection.query("SELECT count(*) FROM generate_series(1, 300)").scalar
    #expect(count == "300", sourceLocation: location)
}
