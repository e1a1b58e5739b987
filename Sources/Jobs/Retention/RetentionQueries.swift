import Postgres

/// A table that holds rows itself: the configured one, or one of its partitions.
struct RetentionLeaf: Sendable, Hashable {
    let oid: Int64
    let schema: String
    let name: String
    let pages: Int64
    let rows: Double

    var sql: String { "\(quoteIdentifier(schema)).\(quoteIdentifier(name))" }
}

/// The statements of retention.
enum RetentionQueries {
    /// The tables that hold the rows of a table: itself, its partitions and heirs. A row's ctid is unique only in one of them.
    static func leaves(of table: ConfiguredTable, on connection: PostgresConnection) async throws(JobError) -> [RetentionLeaf] {
        let rows = try await asking("looking at partitions") { () throws(PostgresError) in
            try await connection.query(
                """
                WITH RECURSIVE family AS (
                    SELECT $1::bigint::oid AS oid
                    UNION SELECT i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.oid)
                SELECT c.oid::bigint AS oid, n.nspname, c.relname, c.relkind::text AS kind,
                    CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) / current_setting('block_size')::int ELSE 0 END AS pages,
                    greatest(c.reltuples, 0)::float8 AS rows
                FROM family f JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'f') ORDER BY n.nspname, c.relname
                """, [.text(String(table.oid))])
        }
        var leaves: [RetentionLeaf] = []
        for row in rows {
            guard let oid = row.int64("oid"), let schema = row.string("nspname"), let name = row.string("relname") else { continue }
            guard row.string("kind") == "r" else {
                throw JobError(
                    .columnUnfit, "the partition \(name) is a foreign table", hint: "Purge it on the server that it is on.")
            }
            leaves.append(
                RetentionLeaf(
                    oid: oid, schema: schema, name: name, pages: row.int64("pages") ?? 0, rows: row.double("rows") ?? 0))
        }
        return leaves
    }

    /// An index whose order is that of the column: a valid, whole B-tree that begins with it.
    static func index(of leaf: RetentionLeaf, column: String, on connection: PostgresConnection) async throws(JobError) -> String? {
        try await asking("looking for an index") { () throws(PostgresError) in
            try await connection.query(
                """
                SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
                JOIN pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = i.indkey[0]
                WHERE i.indrelid = $1::bigint::oid AND k.attname = $2 AND a.amname = 'btree' AND i.indisvalid AND i.indisready
                    AND i.indpred IS NULL
                ORDER BY i.indnatts, c.relname LIMIT 1
                """, [.text(String(leaf.oid)), .text(column)]
            ).scalar
        }
    }

    /// The instant before which rows go, as the server's clock has it, in the column's own terms.
    static func cutoff(_ type: TimeColumnType) -> String {
        switch type {
        case .timestamp: "SELECT ((now() AT TIME ZONE $1) - make_interval(secs => $2::float8))::timestamp::text"
        case .timestamptz: "SELECT (now() - make_interval(secs => $2::float8))::text WHERE $1::text IS NOT NULL"
        // A day is older only once all of it is.
        case .date: "SELECT ((now() AT TIME ZONE $1) - make_interval(secs => $2::float8))::date::text"
        }
    }

    /// One batch along the index, from where the last one ended: what lies before has been deleted and left dead entries
    /// that a search from the edge would wade through each time.
    ///
    /// The limit stands outside again, so that a row that somebody moves to a later time meanwhile stays.
    static func batch(_ leaf: RetentionLeaf, column: String, type: TimeColumnType) -> String {
        let column = quoteIdentifier(column)
        let kind = type.rawValue
        return """
            WITH gone AS (
                DELETE FROM ONLY \(leaf.sql)
                WHERE ctid = ANY (ARRAY(
                        SELECT ctid FROM ONLY \(leaf.sql)
                        WHERE \(column) >= $1::\(kind) AND \(column) > '-infinity' AND \(column) < $2::\(kind)
                        ORDER BY \(column) LIMIT $3::bigint))
                    AND \(column) > '-infinity' AND \(column) < $2::\(kind)
                RETURNING \(column) AS moment)
            SELECT count(*) AS rows, max(moment)::text AS last FROM gone
            """
    }

    /// One batch of pages, where no index helps: each page is read once.
    static func pages(_ leaf: RetentionLeaf, column: String, type: TimeColumnType) -> String {
        let column = quoteIdentifier(column)
        return """
            DELETE FROM ONLY \(leaf.sql) WHERE ctid >= $1::tid AND ctid < $2::tid
                AND \(column) > '-infinity' AND \(column) < $3::\(type.rawValue)
            """
    }

    /// What would go: how many rows, from when, to when.
    static func preview(_ leaf: RetentionLeaf, column: String, type: TimeColumnType) -> String {
        let column = quoteIdentifier(column)
        return """
            SELECT count(*) AS rows, min(\(column))::text AS first, max(\(column))::text AS last FROM ONLY \(leaf.sql)
            WHERE \(column) > '-infinity' AND \(column) < $1::\(type.rawValue)
            """
    }
}
