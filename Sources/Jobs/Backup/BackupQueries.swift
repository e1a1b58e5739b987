import Postgres
import Schedule

/// What a backup asks the server.
enum BackupQueries {
    /// What is to be known of a database before it is dumped.
    struct DatabaseFacts: Sendable, Hashable {
        /// The database's name.
        let database: String
        /// `15.18`.
        let serverVersion: String
        /// `15`.
        let serverMajor: Int
        /// Bytes that it occupies.
        let size: Int64
        /// Its encoding, as PostgreSQL calls it.
        let encoding: String
        /// Its locale.
        let locale: BackupManifest.Locale
        /// The server's clock.
        let serverTime: Instant
    }

    /// The locale's name has another column in each of the versions 15 to 17, or none: to_jsonb asks for whichever is there.
    static let databaseFacts = """
        SELECT d.datname AS database,
            pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1) AS version,
            pg_catalog.pg_database_size(d.oid) AS size,
            pg_catalog.pg_encoding_to_char(d.encoding) AS encoding,
            CASE whole.j ->> 'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END AS provider,
            d.datcollate AS collate, d.datctype AS ctype,
            coalesce(whole.j ->> 'datlocale', whole.j ->> 'daticulocale') AS locale,
            (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint AS now
        FROM pg_catalog.pg_database AS d, LATERAL (SELECT pg_catalog.to_jsonb(d) AS j) AS whole
        WHERE d.datname = pg_catalog.current_database()
        """

    /// What a dump reads, and the role lacks: tables, materialized views, sequences and the schemas they are in. What belongs to an
    /// extension is not dumped but made anew by the extension, but for tables that it marks as configuration.
    static let unreadable = """
        SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind
        FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'S', 'm') AND c.relpersistence <> 't'
            AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_depend AS d
                LEFT JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
                WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
                    AND NOT c.oid = ANY (coalesce(e.extconfig, '{}')))
            AND NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))
        ORDER BY 1, 2
        """

    /// Tables of which row-level security hides rows from the role; pg_dump refuses them.
    static let hiddenByRowSecurity = """
        SELECT n.nspname AS schema, c.relname AS name
        FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relrowsecurity AND c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_'
            AND pg_catalog.row_security_active(c.oid)
        ORDER BY 1, 2
        """

    /// Asks for the facts.
    static func facts(_ connection: PostgresConnection) async throws(JobError) -> DatabaseFacts {
        let rows = try await asking("asking for the database's size and version") { () throws(PostgresError) in
            try await connection.query(databaseFacts)
        }
        guard let row = rows.first, let database = row.string("database"), let version = row.string("version"),
            let size = row.int64("size"), let encoding = row.string("encoding"), let provider = row.string("provider"),
            let now = row.int64("now")
        else { throw JobError(.unexpected, "the server tells nothing of its own database") }
        return DatabaseFacts(
            database: database, serverVersion: version, serverMajor: connection.serverVersion / 10_000, size: size,
            encoding: encoding,
            locale: BackupManifest.Locale(
                provider: provider, collate: row.string("collate") ?? "", ctype: row.string("ctype") ?? "",
                name: row.string("locale")),
            serverTime: Instant(microsecondsSinceEpoch: now))
    }

    /// The relations that a statement names, as people write them.
    static func relations(_ connection: PostgresConnection, _ sql: String) async throws(JobError) -> [String] {
        try await asking("asking what the role may read") { () throws(PostgresError) in
            try await connection.query(sql).map { row in
                QualifiedName(schema: row.string("schema"), name: row.string("name") ?? "").description
            }
        }
    }
}
