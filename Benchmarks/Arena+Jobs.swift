import Daemon
import Foundation
import Glibc
import Jobs
import Postgres

extension Arena {
    /// Makes the original, with the tables and indexes of `pgcaretaker try`.
    func fill(rows: Int) async throws {
        let begun = ContinuousClock.now
        Console.note("making the rows")
        try await execute("CREATE DATABASE \(Self.original)")
        // All indexes after the rows: ids in no order would be put in one by one at twenty times the price.
        try await execute(
            SampleData.schema, "ALTER TABLE activities DROP CONSTRAINT activities_pkey",
            ActivityRows.statement(activities: rows, users: 20_000), "ALTER TABLE activities ADD PRIMARY KEY (id)",
            SampleData.indexes, on: Self.original)
        // Hint bits and the map of visible pages are set as they are in a table that has been in use for a while: otherwise
        // whoever comes first would pay for them. VACUUM stands alone, as it must be in no transaction.
        try await execute("VACUUM ANALYZE", "CHECKPOINT", on: Self.original)
        let size = try await execute("SELECT pg_database_size('\(Self.original)')").flatMap { Int64($0) } ?? 0
        Console.note("made \(HumanText.bytes(size)) in \(HumanText.duration(begun.duration(to: .now)))")
    }

    /// A configuration with the four jobs that the default one has, in a folder of its own.
    ///
    /// They are due as often as there, but not soon: a run must not fall on a minute in which the daemon is to be idle.
    /// - Returns: the path of the configuration.
    func configure(_ name: String, database: String) throws -> String {
        let folder = "\(folder)/\(name)"
        try makeFolder(folder)
        var now = time(nil)
        var clock = tm()
        gmtime_r(&now, &clock)
        let minute = (clock.tm_min + 59) % 60
        let hour = (clock.tm_hour + 12) % 24
        let text = """
            timezone = "UTC"
            state_directory = "\(folder)/state"

            [database]
            url = "\(connectionString(database))"

            [jobs.activity-cleanup]
            kind = "retention"
            schedule = "\(minute) \(hour) * * 0"
            table = "activities"
            column = "createdAt"
            keep = "90d"

            [jobs.nightly-backup]
            kind = "backup"
            schedule = "\(minute) \(hour) * * *"
            directory = "\(folder)/backups"
            compression = "zstd:3"
            pg_bin = "\(cluster.programs.directory)"

            [jobs.reset-token-purge]
            kind = "token-purge"
            schedule = "\(minute % 15)/15 * * * *"
            table = "users"
            token = "passwordResetToken"
            expires = "passwordResetExpires"

            [jobs.table-sizes]
            kind = "table-sizes"
            schedule = "\(minute) * * * *"

            """
        let path = "\(folder)/pgcaretaker.toml"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        guard chmod(path, 0o600) == 0 else { throw BenchmarkFailure.system("chmod", path) }
        return path
    }

    /// Runs one job as a person or a timer would: in a process of its own, with lock, history and all.
    func runJob(_ job: String, configuration: String) async throws {
        try await run(program, ["run", job, "--config", configuration])
    }
}
