import Foundation
import GRDB
import Schedule

/// The file with runs, fires taken and size samples.
///
/// Losing it loses no data of anybody's: backups are found by their manifests, and a new file starts no catch-ups.
package final class History: Sendable {
    /// Why the history cannot be used.
    package enum Failure: Error, Sendable, Hashable {
        /// The file was written by a later version of pgcaretaker.
        case newerVersion(path: String)
        /// The file is no database, or a damaged one.
        case damaged(path: String, reason: String)
        /// The file cannot be read or written (permissions, a full disk, a missing folder).
        case unavailable(path: String, reason: String)
    }

    /// Where the file is.
    package let path: String
    let database: DatabaseQueue

    /// Opens the history, makes it if it is not there, and brings its schema forward.
    ///
    /// - Parameter readOnly: for commands that only look; the file must then exist. Only an old schema is brought forward.
    /// - Throws: ``Failure``.
    package init(path: String, readOnly: Bool = false) throws(Failure) {
        self.path = path
        var configuration = GRDB.Configuration()
        configuration.readonly = readOnly
        // `pgcaretaker run` writes beside the daemon; each transaction takes milliseconds.
        configuration.busyMode = .timeout(10)
        configuration.label = "history"
        if !readOnly {
            configuration.prepareDatabase { database in
                // A claim must survive a power cut, or a fire would run twice: FULL also syncs the write-ahead log.
                try database.execute(sql: "PRAGMA journal_mode = WAL")
                try database.execute(sql: "PRAGMA synchronous = FULL")
            }
        }
        do {
            var queue = try DatabaseQueue(path: path, configuration: configuration)
            let migrator = Self.migrator
            // Another process may be making the file at this very moment: then what is found of it may be anything.
            if (try? queue.read({ try migrator.hasCompletedMigrations($0) })) != true {
                let lock = try Self.lockMigration(of: path)
                defer { close(lock) }
                if readOnly { configuration.readonly = false }
                queue = try DatabaseQueue(path: path, configuration: configuration)
                let isNewer = try queue.read { try migrator.hasBeenSuperseded($0) }
                guard !isNewer else { throw Failure.newerVersion(path: path) }
                try migrator.migrate(queue)
            } else {
                let isNewer = try queue.read { try migrator.hasBeenSuperseded($0) }
                guard !isNewer else { throw Failure.newerVersion(path: path) }
            }
            database = queue
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Self.failure(of: error, path: path)
        }
    }

    /// Waits until nobody else brings the schema forward. Two processes that did so at once would be in each other's way.
    ///
    /// The lock goes with its descriptor, which is the caller's to close, and with a process that dies.
    private static func lockMigration(of path: String) throws(Failure) -> Int32 {
        let descriptor = open("\(path)-migration", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .unavailable(path: path, reason: String(cString: strerror(errno))) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else {
                let code = errno
                close(descriptor)
                throw .unavailable(path: path, reason: String(cString: strerror(code)))
            }
        }
        return descriptor
    }

    /// Lets go of the file; the history is of no use any more.
    package func abandon() {
        try? database.close()
    }

    /// Moves a damaged file out of the way, with what belongs to it, so that a new one can be made.
    ///
    /// - Returns: where the damaged file is now.
    /// - Throws: ``Failure/unavailable(path:reason:)`` if it cannot be renamed.
    package static func setAside(path: String, at now: Instant) throws(Failure) -> String {
        let stamp = String(now.secondsSinceEpoch)
        let aside = "\(path).damaged-\(stamp)"
        for suffix in ["-wal", "-shm", ""] where rename(path + suffix, aside + suffix) != 0 {
            if suffix.isEmpty { throw .unavailable(path: path, reason: String(cString: strerror(errno))) }
        }
        return aside
    }

    static func failure(of error: any Error, path: String) -> Failure {
        guard let error = error as? DatabaseError else { return .unavailable(path: path, reason: "\(error)") }
        let reason = error.message ?? "SQLite error \(error.extendedResultCode.rawValue)"
        switch error.resultCode {
        case .SQLITE_NOTADB, .SQLITE_CORRUPT: return .damaged(path: path, reason: reason)
        default: return .unavailable(path: path, reason: reason)
        }
    }

    /// Runs a transaction to its end, also in a task that has been cancelled: that a run was cancelled must be written, too.
    /// The name of the file goes into every failure.
    func write<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(Failure) -> Value {
        let database = database
        do {
            return try await Task.detached { try await database.write(body) }.value
        } catch {
            throw Self.failure(of: error, path: path)
        }
    }

    /// Reads in one snapshot.
    func read<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) async throws(Failure) -> Value {
        do {
            return try await database.read(body)
        } catch {
            throw Self.failure(of: error, path: path)
        }
    }

    /// The schema, step by step. A step is never changed once it has shipped.
    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: jobs, runs, sizes") { database in
            try database.execute(
                sql: """
                    CREATE TABLE jobs (
                        job TEXT NOT NULL, database TEXT NOT NULL, schedule TEXT NOT NULL, first_seen INTEGER NOT NULL,
                        PRIMARY KEY (job, database)
                    ) STRICT, WITHOUT ROWID;

                    CREATE TABLE runs (
                        id TEXT NOT NULL PRIMARY KEY,
                        job TEXT NOT NULL, database TEXT NOT NULL, kind TEXT NOT NULL,
                        trigger TEXT NOT NULL, attempt INTEGER NOT NULL,
                        scheduled_at INTEGER, started_at INTEGER NOT NULL, ended_at INTEGER,
                        outcome TEXT, skip_reason TEXT, passed_first INTEGER, passed_count INTEGER,
                        error_code TEXT, message TEXT, hint TEXT, sqlstate TEXT, path TEXT,
                        measures TEXT NOT NULL DEFAULT '[]', warnings TEXT NOT NULL DEFAULT '[]'
                    ) STRICT, WITHOUT ROWID;

                    -- The claim: one attempt at one fire, whoever asks for it and however often.
                    CREATE UNIQUE INDEX runs_fire ON runs (job, database, scheduled_at, attempt)
                        WHERE scheduled_at IS NOT NULL;
                    CREATE INDEX runs_started ON runs (started_at);
                    CREATE INDEX runs_open ON runs (job, database) WHERE ended_at IS NULL;

                    CREATE TABLE relations (
                        number INTEGER PRIMARY KEY, database TEXT NOT NULL, schema TEXT NOT NULL, name TEXT NOT NULL,
                        UNIQUE (database, schema, name)
                    ) STRICT;
                    CREATE TABLE samples (
                        number INTEGER PRIMARY KEY, database TEXT NOT NULL, taken_at INTEGER NOT NULL,
                        database_bytes INTEGER NOT NULL, UNIQUE (database, taken_at)
                    ) STRICT;
                    CREATE TABLE sizes (
                        sample INTEGER NOT NULL REFERENCES samples ON DELETE CASCADE,
                        relation INTEGER NOT NULL REFERENCES relations,
                        heap INTEGER NOT NULL, indexes INTEGER NOT NULL, toast INTEGER NOT NULL,
                        live_rows INTEGER NOT NULL, dead_rows INTEGER NOT NULL,
                        PRIMARY KEY (sample, relation)
                    ) STRICT, WITHOUT ROWID;

                    -- Thresholds that have been warned of and are not back yet.
                    CREATE TABLE thresholds (
                        job TEXT NOT NULL, database TEXT NOT NULL, name TEXT NOT NULL, crossed_at INTEGER NOT NULL,
                        PRIMARY KEY (job, database, name)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("2: pauses, fires of a clock that was ahead") { database in
            try database.execute(
                sql: """
                    CREATE TABLE pauses (
                        job TEXT NOT NULL PRIMARY KEY, since INTEGER NOT NULL, until INTEGER, reason TEXT
                    ) STRICT, WITHOUT ROWID;
                    ALTER TABLE runs ADD COLUMN distrusted INTEGER NOT NULL DEFAULT 0;
                    """)
        }
        migrator.registerMigration("3: a fire of a clock that was ahead may be taken again") { database in
            try database.execute(
                sql: """
                    DROP INDEX runs_fire;
                    CREATE UNIQUE INDEX runs_fire ON runs (job, database, scheduled_at, attempt)
                        WHERE scheduled_at IS NOT NULL AND NOT distrusted;
                    """)
        }
        migrator.registerMigration("4: retries that are to come") { database in
            try database.execute(sql: "ALTER TABLE runs ADD COLUMN retry_at INTEGER")
        }
        return migrator
    }
}

extension History.Failure: CustomStringConvertible {
    /// What is wrong, lower case, no final stop.
    package var description: String {
        switch self {
        case .newerVersion(let path): "the history \(path) was written by a later version of pgcaretaker"
        case .damaged(let path, let reason): "the history \(path) is damaged: \(reason)"
        case .unavailable(let path, let reason): "the history \(path) cannot be used: \(reason)"
        }
    }
}
