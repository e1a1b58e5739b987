import Command
import Foundation
import Logging
import Postgres
import Schedule
import Synchronization
import TestSupport
import Testing

@testable import Jobs

/// A clock that stands where it is put.
final class BackupTestClock: JobClock {
    private let instant: Mutex<Instant>

    init(_ instant: Instant) { self.instant = Mutex(instant) }

    func now() -> Instant { instant.withLock { $0 } }
    func set(_ instant: Instant) { self.instant.withLock { $0 = instant } }
    func advance(by duration: Duration) { instant.withLock { $0 = $0 + duration } }
    func elapsed() -> Duration { now() - Instant(secondsSinceEpoch: 0) }
    func sleep(for duration: Duration) async throws { Issue.record("a backup has nothing to wait for") }
}

/// The host's clock as the tests see it, by which fresh backups are dated.
func wallClock() -> BackupTestClock {
    BackupTestClock(Instant(microsecondsSinceEpoch: Int64(Date().timeIntervalSince1970 * 1_000_000)))
}

/// What was logged.
final class BackupLogRecord: LogHandler, Sendable {
    private let lines = Mutex<[(level: Logger.Level, event: String?, message: String)]>([])

    var events: [String] { lines.withLock { $0.compactMap(\.event) } }
    var messages: [String] { lines.withLock { $0.map(\.message) } }

    func log(event: LogEvent) {
        lines.withLock { $0.append((event.level, event.metadata?["event"]?.description, event.message.description)) }
    }

    subscript(metadataKey _: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }
}

/// All that a backup needs: a folder to write to, a private one, a clock, a log.
final class BackupBench: Sendable {
    let folder: TemporaryFolder
    let clock = wallClock()
    let log = BackupLogRecord()
    let target: ConnectionTarget

    init(_ target: ConnectionTarget) throws {
        folder = try TemporaryFolder("backup")
        self.target = target
        try FileManager.default.createDirectory(
            atPath: privateDirectory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    /// Where the backups go; it does not exist at first.
    var directory: String { folder.path("backups") }
    /// For password files.
    var privateDirectory: String { folder.path("private") }

    /// A job with these options beyond `directory`.
    func job(_ name: String = "nightly", _ options: [String: OptionValue] = [:]) throws -> BackupJob {
        var problems: [OptionProblem] = []
        let values = options.merging(["directory": .text(directory)]) { given, _ in given }
        let job = BackupJob(name: name, options: OptionValues(values), problems: &problems)
        return try #require(job, "\(problems)")
    }

    /// The context of a run.
    func context(
        run: String = "run-\(UUID().uuidString.prefix(8))", dryRun: Bool = false, zone: ZoneRules = .utc,
        progress: ProgressSink = .none
    ) -> JobContext {
        JobContext(
            job: "nightly", runID: run, database: DatabaseAccess(name: "main", target: target, timestamps: "UTC"),
            logger: Logger(label: "test") { [log] _ in log }, clock: clock, deadline: nil, isDryRun: dryRun, progress: progress,
            sizes: NoSamples(), privateDirectory: privateDirectory, childEnvironment: ["PATH": "/usr/bin:/bin"], zone: zone)
    }

    /// Runs a job and gives the failure that it must end in.
    func failure(of job: BackupJob, _ context: JobContext? = nil) async -> JobError? {
        do {
            let summary = try await job.run(in: context ?? self.context())
            Issue.record("succeeded: \(summary.sentence)")
            return nil
        } catch {
            return error
        }
    }

    /// The names in the folder of the backups, sorted; none if it is not there.
    var files: [String] { ((try? Folder.names(in: directory)) ?? []).sorted() }

    /// The names in the private folder.
    var secrets: [String] { ((try? Folder.names(in: privateDirectory)) ?? []).sorted() }

    func catalogue() throws -> BackupCatalogue { try BackupCatalogue.read(directory) }
}

/// The permission bits of a file.
func mode(of path: String) throws -> Int {
    try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
}

/// A manifest for tests that make no dump.
func manifest(
    _ startedAt: String, database: String = "school", job: String = "nightly", size: Int64 = 4, sha256: String? = nil
) throws -> BackupManifest {
    let instant = try #require(Instant(rfc3339: startedAt))
    let name = BackupName(database: database, startedAt: instant, job: job)
    return BackupManifest(
        id: BackupName.identifier(database: database, startedAt: instant), file: name.dump, job: job, run: "r1", database: database,
        host: "host", serverVersion: "15.18", programs: BackupManifest.Programs(pgDump: "15.18", zstd: "1.5.4"), startedAt: instant,
        endedAt: instant + .seconds(10), duration: 10, size: size, uncompressedSize: 40,
        sha256: sha256 ?? String(repeating: "0", count: 64), compression: "zstd:3", encoding: "UTF8",
        locale: BackupManifest.Locale(provider: "libc", collate: "C", ctype: "C", name: nil), databaseSize: 100, warnings: 0)
}

/// A backup of four bytes, written to a folder as a run leaves it.
@discardableResult
func plant(_ startedAt: String, in directory: String, database: String = "school", job: String = "nightly") throws -> Backup {
    let manifest = try manifest(startedAt, database: database, job: job)
    let name = BackupName(database: database, startedAt: manifest.startedAt, job: job)
    let backup = Backup(directory: directory, name: name, manifest: manifest)
    try Folder.write([1, 2, 3, 4], toNew: backup.dumpPath)
    try Folder.write(try manifest.json(), toNew: backup.manifestPath)
    return backup
}
