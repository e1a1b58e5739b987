import Postgres

/// The statements of token-purge.
struct TokenPurgeQueries: Sendable {
    /// A column of the table's key, and its type as SQL writes it.
    struct KeyColumn: Sendable, Hashable {
        let name: String
        let type: String
    }

    let table: String
    let token: String
    let expires: String
    let type: TimeColumnType
    let zone: String
    let key: [KeyColumn]

    /// How many values name a row.
    var keyCount: Int { keyColumns.count }

    /// Without a primary key the row's place serves as one; in which of its partitions belongs to it.
    private var keyColumns: [(sql: String, type: String)] {
        key.isEmpty ? [("tableoid", "oid"), ("ctid", "tid")] : key.map { (quoteIdentifier($0.name), $0.type) }
    }

    /// Now, by the server's clock at each statement, in the column's own terms.
    private var now: String {
        switch type {
        case .timestamp: "(now() AT TIME ZONE \(quoteLiteral(zone)))::timestamp"
        case .timestamptz: "now()"
        case .date: "(now() AT TIME ZONE \(quoteLiteral(zone)))::date"
        }
    }

    /// The columns of the primary key, in their order.
    static func key(of table: ConfiguredTable, on connection: PostgresConnection) async throws(JobError) -> [KeyColumn] {
        let rows = try await asking("looking for the primary key") { () throws(PostgresError) in
            try await connection.query(
                """
                SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type
                FROM pg_index i, unnest(i.indkey::int[]) WITH ORDINALITY AS k(number, place), pg_attribute a
                WHERE i.indrelid = $1::bigint::oid AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.number
                    AND k.place <= i.indnkeyatts
                ORDER BY k.place
                """, [.text(String(table.oid))])
        }
        return rows.compactMap { row in
            row.string("attname").flatMap { name in row.string("type").map { KeyColumn(name: name, type: $0) } }
        }
    }

    /// How many have expired.
    var count: String { "SELECT count(*) FROM \(table) WHERE \(quoteIdentifier(expires)) < \(now)" }

    /// One batch in the order of the key.
    ///
    /// Rows that somebody holds are passed over. The limit stands outside again: a token that was renewed between the two
    /// parts stays. Rights on the columns named here are enough.
    func batch(limit: Int, isFirst: Bool) -> String {
        let names = keyColumns.map(\.sql)
        let list = names.joined(separator: ", ")
        let after =
            isFirst
            ? ""
            : "AND (\(list)) > (\(keyColumns.enumerated().map { "$\($0.offset + 1)::\($0.element.type)" }.joined(separator: ", ")))"
        let expiry = quoteIdentifier(expires)
        let aliases = names.enumerated().map { "\($0.element) AS key\($0.offset)" }.joined(separator: ", ")
        let matches = names.enumerated().map { "t.\($0.element) = b.key\($0.offset)" }.joined(separator: " AND ")
        let lastKeys = names.indices.map { "(SELECT key\($0)::text FROM batch ORDER BY \(order) LIMIT 1) AS key\($0)" }
            .joined(separator: ", ")
        return """
            WITH batch AS MATERIALIZED (
                SELECT \(aliases) FROM \(table) WHERE \(expiry) < \(now) \(after)
                ORDER BY \(list) LIMIT \(limit) FOR UPDATE SKIP LOCKED),
            cleared AS (
                UPDATE \(table) t SET \(quoteIdentifier(token)) = NULL, \(expiry) = NULL
                FROM batch b WHERE \(matches) AND t.\(expiry) < \(now) RETURNING 1)
            SELECT (SELECT count(*) FROM batch) AS seen, (SELECT count(*) FROM cleared) AS cleared, \(lastKeys)
            """
    }

    private var order: String { keyColumns.indices.map { "key\($0) DESC" }.joined(separator: ", ") }
}
