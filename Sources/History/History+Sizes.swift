import Foundation
import GRDB
import Schedule

/// The sizes of one table at one moment, in bytes and estimated rows.
package struct RelationSize: Hashable, Sendable {
    /// The table's schema.
    package let schema: String
    /// The table's name.
    package let name: String
    /// The table itself, with its free-space and visibility maps.
    package let heap: Int64
    /// All its indexes.
    package let indexes: Int64
    /// What it stores out of line, with that store's own index.
    package let toast: Int64
    /// The server's estimate of rows that are alive.
    package let liveRows: Int64
    /// The server's estimate of rows that are dead and not yet vacuumed.
    package let deadRows: Int64

    /// The sizes of a table.
    package init(
        schema: String, name: String, heap: Int64, indexes: Int64, toast: Int64, liveRows: Int64, deadRows: Int64
    ) {
        self.schema = schema
        self.name = name
        self.heap = heap
        self.indexes = indexes
        self.toast = toast
        self.liveRows = liveRows
        self.deadRows = deadRows
    }

    /// All together.
    package var total: Int64 { heap + indexes + toast }
}

/// The sizes of a database's tables at one moment.
package struct SizeSample: Hashable, Sendable {
    /// The database's name in the configuration.
    package let database: String
    /// When they were measured.
    package let takenAt: Instant
    /// The whole database on disk, in bytes.
    package let databaseBytes: Int64
    /// Every table.
    package let relations: [RelationSize]

    /// A sample.
    package init(database: String, takenAt: Instant, databaseBytes: Int64, relations: [RelationSize]) {
        self.database = database
        self.takenAt = takenAt
        self.databaseBytes = databaseBytes
        self.relations = relations
    }
}

extension History {
    /// Keeps a sample.
    package func record(_ sample: SizeSample) async throws(Failure) {
        try await write { database in
            try database.execute(
                sql: "INSERT OR IGNORE INTO samples (database, taken_at, database_bytes) VALUES (?, ?, ?)",
                arguments: [sample.database, sample.takenAt.microsecondsSinceEpoch, sample.databaseBytes])
            guard database.changesCount == 1 else { return }
            let number = database.lastInsertedRowID
            let relation = try database.makeStatement(
                sql: "INSERT OR IGNORE INTO relations (database, schema, name) VALUES (?, ?, ?)")
            let size = try database.makeStatement(
                sql: """
                    INSERT INTO sizes (sample, relation, heap, indexes, toast, live_rows, dead_rows)
                    SELECT ?, number, ?, ?, ?, ?, ? FROM relations WHERE database = ? AND schema = ? AND name = ?
                    """)
            for item in sample.relations {
                try relation.execute(arguments: [sample.database, item.schema, item.name])
                try size.execute(arguments: [
                    number, item.heap, item.indexes, item.toast, item.liveRows, item.deadRows, sample.database, item.schema,
                    item.name,
                ])
            }
        }
    }

    /// The newest sample of a database that is not later than an instant.
    package func sample(of name: String, notAfter instant: Instant) async throws(Failure) -> SizeSample? {
        try await read { try Self.sample($0, of: name, notAfter: instant) }
    }

    /// The databases of which there is any sample.
    package func sampledDatabases() async throws(Failure) -> [String] {
        try await read { try String.fetchAll($0, sql: "SELECT DISTINCT database FROM samples ORDER BY database") }
    }

    /// Thins old samples: of those before `hourlyFrom` the first of each day stays, before `dailyFrom` none does.
    package func thinSamples(of name: String, hourlyFrom: Instant, dailyFrom: Instant) async throws(Failure) {
        try await write { database in
            try database.execute(
                sql: """
                    DELETE FROM samples WHERE database = ?1 AND (taken_at < ?3 OR (taken_at < ?2 AND number NOT IN (
                        SELECT number FROM (
                            SELECT number, row_number() OVER (PARTITION BY taken_at / 86400000000 ORDER BY taken_at) AS place
                            FROM samples WHERE database = ?1 AND taken_at < ?2
                        ) WHERE place = 1)))
                    """,
                arguments: [name, hourlyFrom.microsecondsSinceEpoch, dailyFrom.microsecondsSinceEpoch])
        }
    }

    /// The thresholds of a job that have been crossed and are not back.
    package func crossedThresholds(of key: JobKey) async throws(Failure) -> Set<String> {
        try await read { database in
            try Set(
                String.fetchAll(
                    database, sql: "SELECT name FROM thresholds WHERE job = ? AND database = ?",
                    arguments: [key.job, key.database]))
        }
    }

    /// Notes which thresholds of a job are crossed now.
    package func setCrossedThresholds(_ names: Set<String>, of key: JobKey, at now: Instant) async throws(Failure) {
        try await write { database in
            let known = try Set(
                String.fetchAll(
                    database, sql: "SELECT name FROM thresholds WHERE job = ? AND database = ?",
                    arguments: [key.job, key.database]))
            for name in known.subtracting(names) {
                try database.execute(
                    sql: "DELETE FROM thresholds WHERE job = ? AND database = ? AND name = ?",
                    arguments: [key.job, key.database, name])
            }
            for name in names.subtracting(known) {
                try database.execute(
                    sql: "INSERT INTO thresholds (job, database, name, crossed_at) VALUES (?, ?, ?, ?)",
                    arguments: [key.job, key.database, name, now.microsecondsSinceEpoch])
            }
        }
    }

    private static func sample(_ database: Database, of name: String, notAfter instant: Instant) throws -> SizeSample? {
        guard
            let head = try Row.fetchOne(
                database,
                sql: """
                    SELECT number, taken_at, database_bytes FROM samples
                    WHERE database = ? AND taken_at <= ? ORDER BY taken_at DESC LIMIT 1
                    """,
                arguments: [name, instant.microsecondsSinceEpoch])
        else { return nil }
        let sizes = try Row.fetchAll(
            database,
            sql: "SELECT r.schema, r.name, s.* FROM sizes s JOIN relations r ON r.number = s.relation WHERE s.sample = ?",
            arguments: [head["number"] as Int64])
        return SizeSample(
            database: name, takenAt: Instant(microsecondsSinceEpoch: head["taken_at"]),
            databaseBytes: head["database_bytes"],
            relations: sizes.map {
                RelationSize(
                    schema: $0["schema"], name: $0["name"], heap: $0["heap"], indexes: $0["indexes"], toast: $0["toast"],
                    liveRows: $0["live_rows"], deadRows: $0["dead_rows"])
            })
    }
}
