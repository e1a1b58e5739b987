import Postgres
import TestSupport

@testable import Jobs

/// A retention job over a table `events` (`id`, `at`, `note`), unless said otherwise.
func retention(_ options: [String: OptionValue] = [:]) throws -> RetentionJob {
    let standard: [String: OptionValue] = [
        "table": .text("events"), "column": .text("at"), "keep": .duration(.seconds(90 * 86400)), "batch_rows": .integer(10),
    ]
    return try make(RetentionJob.self, standard.merging(options) { $1 })
}

/// A table `events`, with an index on its `at` or without.
func createEvents(in connection: PostgresConnection, indexed: Bool = true) async throws {
    try await connection.simple("CREATE TABLE events (id int PRIMARY KEY, at timestamptz, note text)")
    if indexed { try await connection.simple("CREATE INDEX events_at ON events (at)") }
}

/// Inserts rows of these numbers, each 200 days old and a second older than the next.
func insertOld(_ count: Int, from first: Int = 1, in connection: PostgresConnection) async throws {
    try await connection.query(
        """
        INSERT INTO events SELECT i, now() - interval '200 days' + i * interval '1 second', 'old'
        FROM generate_series($1::int, $1::int + $2::int - 1) AS i
        """, [.int(first), .int(count)])
}

extension PostgresConnection {
    /// The first column of a query, in its order.
    func column(_ sql: String) async throws -> [String] { try await query(sql).map { $0[0] ?? "NULL" } }
}
