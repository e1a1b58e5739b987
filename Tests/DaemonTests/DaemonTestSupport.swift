import Configuration
import Daemon
import Foundation
import History
import Jobs
import Logging
import Postgres
import Schedule
import Synchronization
import TestSupport
import Testing

/// What was logged: level, message and fields.
final class Logbook: Sendable {
    struct Line: Sendable {
        let level: Logger.Level
        let message: String
        let fields: [String: String]
    }

    private let kept = Mutex<[Line]>([])

    var lines: [Line] { kept.withLock { $0 } }

    var logger: Logger { Logger(label: "test") { [self] _ in Handler(book: self) } }

    private struct Handler: LogHandler {
        let book: Logbook
        var metadata: Logger.Metadata = [:]
        var logLevel: Logger.Level = .info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }.mapValues { "\($0)" }
            let line = Line(level: event.level, message: "\(event.message)", fields: fields)
            book.kept.withLock { $0.append(line) }
        }
    }
}

/// A state directory, a configuration and what runs its jobs.
struct Workbench {
    let folder: TemporaryFolder
    let log = Logbook()
    let configuration: Configuration
    let caretaker: Caretaker

    init(_ text: String) throws {
        folder = try TemporaryFolder("daemon")
        try FileManager.default.createDirectory(
            atPath: folder.path("state"), withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        let path = try folder.write("state_directory = \"\(folder.path("state"))\"\n\(text)", to: "pgcaretaker.toml", mode: 0o600)
        configuration = try ConfigurationLoader(path: path, environment: [:]).load()
        caretaker = try Caretaker(
            stateDirectory: configuration.stateDirectory, environment: ["PATH": "/usr/bin:/bin"], logger: log.logger)
    }

    /// Runs a job by its schedule on the only database.
    func run(_ name: String, fire: Instant? = nil, until: Instant? = nil) async throws -> RunSupervisor.Ending {
        let job = try #require(configuration.job(named: name))
        let database = try #require(configuration.databases["main"])
        return await RunSupervisor(caretaker: caretaker).run(
            job, on: database, trigger: fire == nil ? .manual : .schedule, fire: fire, until: until)
    }
}

/// A retention job on rows so many, with batches so small and pauses so long, that it does not come to its end.
func slowRetention(_ target: ConnectionTarget) -> String {
    let url = "\"" + target.connectionString + "\""
    return """
        [database]
        url = \(url)
        [jobs.slow]
        kind = "retention"
        schedule = "0 2 * * *"
        table = "events"
        column = "at"
        keep = "90d"
        batch_rows = 10
        pause = "200ms"

        """
}

/// Makes the table of ``slowRetention(_:)`` with a thousand rows that are old.
func createEvents(_ target: ConnectionTarget) async throws {
    try await PostgresConnection.with(target) { connection in
        _ = try await connection.simple(
            """
            CREATE TABLE events (id int, at timestamptz);
            INSERT INTO events SELECT i, now() - interval '100 days' - i * interval '1 second' FROM generate_series(1, 1000) i;
            CREATE INDEX ON events (at);
            """)
    }
}
