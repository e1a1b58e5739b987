import Postgres

/// A table that holds rows itself: the configured one, or one of its partitions.
struct RetentionLeaf: Sendable, Hashable {
    let oid: Int64
    let schema: String
    let name: String
    /// The server's estimate of how many rows it has.
    let rows: Double
    /// Whether row-level security may hide rows from the role.
    let hidesRows: Bool

    var sql: String { "\(quoteIdentifier(schema)).\(quoteIdentifier(name))" }
    var description: String { QualifiedName(schema: schema, name: name).description }
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
                    greatest(c.reltuples, 0)::float8 AS rows, row_security_active(c.oid)::text AS hides
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
                    oid: oid, schema: schema, name: name, rows: row.double("rows") ?? 0,
                    hidesRows: row.string("hides") == "true"))
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
    ///
    /// The age is subtracted before the clock on the wall comes in, because that clock jumps twice a year where there is daylight
    /// saving, and a row would go an hour too early.
    static func cutoff(_ type: TimeColumnType) -> String {
        let moment = "(now() - make_interval(secs => $2::float8))"
        return switch type {
        case .timestamp: "SELECT (\(moment) AT TIME ZONE $1)::timestamp::text"
        case .timestamptz: "SELECT \(moment)::text WHERE $1::text IS NOT NULL"
        // A day is older only once all of it is.
        case .date: "SELECT (\(moment) AT TIME ZONE $1)::date::text"
        }
    }

    /// Asks for the cut-off.
    static func cutoff(
        _ type: TimeColumnType, keep: Duration, zone: String, on connection: PostgresConnection
    ) async throws(JobError) -> String {
        let seconds = Double(keep.components.seconds) + Double(keep.components.attoseconds) / 1e18
        let text = try await asking("computing the cut-off") { () throws(PostgresError) in
            try await connection.query(cutoff(type), [.text(zone), .text(String(seconds))]).scalar
        }
        guard let text else { throw JobError(.statementFailed, "the server computes no cut-off") }
        return text
    }

    /// With the statistics of an hour ago the planner may think that reading everything is cheaper; and without sorts the plan costs
    /// so much on paper that it would be compiled first.
    static let walkSettings = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; SET jit = off"

    /// Where the next batch along the index ends: of so many rows and one more, from where the last batch ended, the moment of the
    /// last one, and how many lie before that.
    ///
    /// The search never begins at the index's left edge: what lies before has been deleted and left dead entries there, through
    /// which it would wade each time.
    static func boundary(_ leaf: RetentionLeaf, column: String, type: TimeColumnType) -> String {
        let name = quoteIdentifier(column)
        let kind = type.rawValue
        return """
            WITH ahead AS MATERIALIZED (
                SELECT \(name) AS moment FROM ONLY \(leaf.sql)
                WHERE \(name) >= $1::\(kind) AND \(name) > '-infinity' AND \(name) < $2::\(kind)
                ORDER BY \(name) LIMIT $3::bigint + 1)
            SELECT count(*) AS seen, max(moment)::text AS edge,
                count(*) FILTER (WHERE moment < (SELECT max(moment) FROM ahead)) AS before
            FROM ahead
            """
    }

    /// One batch: all rows from one moment up to another, by the same stretch of the index.
    static func stretch(_ leaf: RetentionLeaf, column: String, type: TimeColumnType) -> String {
        let name = quoteIdentifier(column)
        let kind = type.rawValue
        return """
            DELETE FROM ONLY \(leaf.sql) WHERE \(name) >= $1::\(kind) AND \(name) > '-infinity' AND \(name) < $2::\(kind)
            """
    }

    /// One batch out of rows of one moment that are too many for a stretch, by their places.
    ///
    /// It tells how many rows were found and where the last of them lay, not only how many were deleted: rows that somebody
    /// changes or deletes meanwhile must not look like the end.
    /// - Parameter isBehind: whether rows of exactly the first moment are passed over.
    static func batch(_ leaf: RetentionLeaf, column: String, type: TimeColumnType, isBehind: Bool) -> String {
        let name = quoteIdentifier(column)
        let kind = type.rawValue
        return """
            WITH seen AS MATERIALIZED (
                SELECT ctid AS place, \(name) AS moment FROM ONLY \(leaf.sql)
                WHERE \(name) \(isBehind ? ">" : ">=") $1::\(kind) AND \(name) > '-infinity' AND \(name) < $2::\(kind)
                ORDER BY \(name) LIMIT $3::bigint),
            \(gone(leaf, limit: old(column, "$2::\(kind)")))
            SELECT (SELECT count(*) FROM seen) AS seen, (SELECT count(*) FROM gone) AS deleted,
                (SELECT max(moment)::text FROM seen) AS last
            """
    }

    /// One batch out of a range of pages, where no index helps: each page is read once.
    static func pages(_ leaf: RetentionLeaf, column: String, type: TimeColumnType) -> String {
        let limit = old(column, "$3::\(type.rawValue)")
        return """
            WITH seen AS MATERIALIZED (
                SELECT ctid AS place FROM ONLY \(leaf.sql)
                WHERE ctid > $1::tid AND ctid < $2::tid AND \(limit) LIMIT $4::bigint),
            \(gone(leaf, limit: limit))
            SELECT (SELECT count(*) FROM seen) AS seen, (SELECT count(*) FROM gone) AS deleted,
                (SELECT max(place)::text FROM seen) AS last
            """
    }

    /// The deleting half. The limit stands here again, so that a row that somebody moves to a later time meanwhile stays.
    private static func gone(_ leaf: RetentionLeaf, limit: String) -> String {
        """
        gone AS (
            DELETE FROM ONLY \(leaf.sql) WHERE ctid = ANY (ARRAY(SELECT place FROM seen)) AND \(limit)
            RETURNING 1)
        """
    }

    /// Whether a row is old, in a form that the planner cannot look through: with statistics from before there were old rows it
    /// would expect none, search the index from its left edge and compare every row that it finds with every place.
    private static func old(_ column: String, _ limit: String) -> String {
        let column = quoteIdentifier(column)
        return "CASE WHEN \(column) > '-infinity' AND \(column) < \(limit) THEN true ELSE false END"
    }

    /// How many pages a table has.
    static let pageCount = "SELECT pg_relation_size($1::bigint::oid) / current_setting('block_size')::int"

    /// What would go: how many rows, from when, to when.
    static func preview(_ leaf: RetentionLeaf, column: String, type: TimeColumnType) -> String {
        let column = quoteIdentifier(column)
        return """
            SELECT count(*) AS rows, min(\(column))::text AS first, max(\(column))::text AS last FROM ONLY \(leaf.sql)
            WHERE \(column) > '-infinity' AND \(column) < $1::\(type.rawValue)
            """
    }
}
