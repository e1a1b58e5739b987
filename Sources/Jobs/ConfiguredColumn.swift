import Postgres

/// A table of the configuration as the server knows it.
package struct ConfiguredTable: Sendable, Hashable {
    /// The table's object identifier.
    package let oid: Int64
    /// Its schema.
    package let schema: String
    /// Its name.
    package let name: String
    /// `r` for a table, `p` for a partitioned one (pg_class.relkind).
    package let kind: String
    /// Whether row-level security may hide rows from the role.
    package let hidesRows: Bool

    /// Schema and name, quoted.
    package var sql: String { "\(quoteIdentifier(schema)).\(quoteIdentifier(name))" }

    /// Finds a table by the name in the configuration.
    ///
    /// - Throws: ``JobError`` of code `relation-missing`, `column-unfit` or `permission-denied`.
    package static func find(_ name: QualifiedName, on connection: PostgresConnection) async throws(JobError) -> ConfiguredTable {
        // A schema that the role may not use makes to_regclass() fail, so one that is named is looked up in the catalogue.
        let rows = try await asking("looking for \(name.description)") { () throws(PostgresError) in
            try await connection.query(
                """
                SELECT c.oid::bigint AS oid, n.nspname, c.relname, c.relkind::text AS relkind, row_security_active(c.oid)::text AS hides,
                    has_schema_privilege(n.oid, 'USAGE')::text AS usable
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE CASE WHEN $2::text IS NULL THEN c.oid = to_regclass($1) ELSE n.nspname = $2 AND c.relname = $3 END
                """, [.text(QualifiedName(name: name.name).sql), .text(name.schema), .text(name.name)])
        }
        guard let row = rows.first, let oid = row.int64("oid"), let schema = row.string("nspname"),
            let relation = row.string("relname"), let kind = row.string("relkind")
        else {
            throw JobError(
                .relationMissing, "there is no table \(name.description)",
                hint:
                    "Correct table in the configuration; names are case-sensitive, and another schema is written \"schema.table\".")
        }
        guard kind == "r" || kind == "p" else {
            throw JobError(
                .columnUnfit, "\(name.description) is \(Self.words(kind)), not a table", hint: "Name a table in the configuration.")
        }
        guard row.string("usable") == "true" else {
            throw JobError(
                .permissionDenied, "the role \(connection.user) may not use the schema \(schema)",
                hint: "GRANT USAGE ON SCHEMA \(quoteIdentifier(schema)) TO \(quoteIdentifier(connection.user));")
        }
        return ConfiguredTable(oid: oid, schema: schema, name: relation, kind: kind, hidesRows: row.string("hides") == "true")
    }

    private static func words(_ kind: String) -> String {
        switch kind {
        case "v": "a view"
        case "m": "a materialized view"
        case "f": "a foreign table"
        case "S": "a sequence"
        case "i", "I": "an index"
        default: "something else"
        }
    }

    /// A column's type and whether it may be NULL.
    ///
    /// - Throws: ``JobError`` of code `relation-missing` if there is no such column.
    package func column(_ column: String, on connection: PostgresConnection) async throws(JobError) -> (
        type: String, isNullable: Bool
    ) {
        let rows = try await asking("looking for the column \(column)") { () throws(PostgresError) in
            try await connection.query(
                """
                SELECT t.typname, (NOT (a.attnotnull OR t.typnotnull))::text AS nullable FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                WHERE a.attrelid = $1::bigint::oid AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped
                """, [.text(String(oid)), .text(column)])
        }
        guard let row = rows.first, let type = row.string("typname") else {
            throw JobError(
                .relationMissing, "the table \(name) has no column \"\(column)\"",
                hint: "Correct the column in the configuration; names are case-sensitive.")
        }
        return (type, row.string("nullable") == "true")
    }
}

/// A type of column that says when something was or will be.
package enum TimeColumnType: String, Sendable, Hashable {
    case timestamp, timestamptz, date

    /// The type of a column, or why it is none.
    package static func of(_ type: String, column: String) throws(JobError) -> TimeColumnType {
        guard let found = TimeColumnType(rawValue: type) else {
            throw JobError(
                .columnUnfit, "the column \"\(column)\" is of type \(type)",
                hint: "It must be timestamp, timestamptz or date.")
        }
        return found
    }
}
