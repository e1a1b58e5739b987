import Command
import Foundation
import Glibc
import Jobs
import Postgres

/// The release binary, opened before this process becomes a user who may not be able to reach it.
struct ProgramFile: Sendable {
    fileprivate let descriptor: Int32

    init(path: String) throws {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw BenchmarkFailure("there is no \(path): \(String(cString: strerror(errno))); run make build, or make bench")
        }
    }

    /// Writes the program as an executable file.
    func copy(to path: String) throws {
        let target = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o755)
        guard target >= 0 else { throw BenchmarkFailure.system("create", path) }
        defer { close(target) }
        var offset: off_t = 0
        while true {
            let count = sendfile(target, descriptor, &offset, 1 << 24)
            guard count >= 0 else { throw BenchmarkFailure.system("write", path) }
            if count == 0 { return }
        }
    }
}

/// The private server that everything happens on, and what belongs to it.
struct Arena: Sendable {
    /// A server that matters, of modest size. It waits for the disk and writes full pages, as servers do by themselves.
    ///
    /// The log may grow so far that no checkpoint of its own accord falls on one contestant and not on the other, and
    /// autovacuum must not come to one of them either; each gets a checkpoint before it starts.
    static let settings = [
        "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "512MB", "max_wal_size": "4GB",
        "checkpoint_timeout": "1h", "autovacuum": "off", "timezone": "UTC",
    ]

    /// The database with the rows, of which the others are copies.
    static let original = "school_erp"

    let cluster: PrivateCluster
    /// A copy of the release binary.
    let program: String
    /// What belongs to us beside the server, inside the cluster's folder, so that whoever sweeps that removes this too.
    let folder: String

    /// Starts a server.
    static func make(in directory: String, program: ProgramFile) async throws -> Arena {
        var options = PrivateCluster.Options()
        options.parent = directory
        options.isDurable = true
        options.settings = settings
        options.patience = .seconds(120)
        let cluster = try await PrivateCluster.start(options)
        let arena = Arena(
            cluster: cluster, program: "\(cluster.directory)/caretaker/pgcaretaker", folder: "\(cluster.directory)/caretaker")
        do {
            try arena.makeFolder(arena.folder)
            try program.copy(to: arena.program)
        } catch {
            await cluster.remove()
            throw error
        }
        return arena
    }

    /// Ends the server and removes everything.
    func remove() async { await cluster.remove() }

    /// What the figures stand on.
    func headline(rows: Int) -> String {
        let settings = Self.settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        return """
            \(HumanText.count(Int64(rows))) activities over 180 days in \(cluster.directory), \
            \(ProcessInfo.processInfo.activeProcessorCount) processors.
            \(settings)
            """
    }

    // MARK: Databases

    /// Where a database is.
    func target(_ database: String = "postgres") -> ConnectionTarget { cluster.target.with(database: database) }

    /// Runs statements in one session, each string of them in a transaction of its own.
    ///
    /// - Returns: the first value of the last one.
    @discardableResult
    func execute(_ statements: String..., on database: String = "postgres") async throws -> String? {
        let connection = try await PostgresConnection.connect(to: target(database))
        let result: Result<String?, any Error>
        do {
            var value: String?
            for statement in statements { value = try await connection.simple(statement).last?.scalar }
            result = .success(value)
        } catch {
            result = .failure(error)
        }
        await connection.close()
        return try result.get()
    }

    /// Copies the original. The copy is on the disk, and so is all else, when this returns.
    func copyOriginal(to name: String) async throws {
        Console.note("copying the database")
        // A copy of files needs no log, which would otherwise be the larger part of what is written meanwhile.
        let version = try await execute("SHOW server_version_num").flatMap { Int($0) } ?? 0
        let strategy = version >= 150_000 ? " STRATEGY file_copy" : ""
        try await execute("CREATE DATABASE \(name) TEMPLATE \(Self.original)\(strategy)")
        try await settle()
    }

    /// Removes a copy.
    func drop(_ name: String) async throws {
        try await execute("DROP DATABASE \(name) WITH (FORCE)")
    }

    /// Lets nothing of what happened before weigh on what comes: all is written.
    func settle() async throws {
        try await execute("CHECKPOINT")
        try await Blocking.run { sync() }
    }

    /// How much log has been written until now, in bytes.
    func logPosition() async throws -> Int64 {
        try await execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").flatMap { Int64($0) } ?? 0
    }

    // MARK: Programs

    /// Runs a program to its end.
    ///
    /// - Returns: what it wrote to standard output.
    @discardableResult
    func run(_ executable: String, _ arguments: [String], collects: Bool = false) async throws -> String {
        let child = Program(executable: executable, arguments: arguments, environment: environment, workingDirectory: folder)
        let result: PipelineResult
        do throws(PipelineError) {
            result = try await Pipeline([child]).run(output: collects ? .collect(limit: 1 << 20) : .discard)
        } catch {
            if case .cancelled = error { throw CancellationError() }
            throw BenchmarkFailure("\(child.name) failed: \(error)")
        }
        if let failure = result.firstFailure {
            throw BenchmarkFailure("\(child.name) \(failure.termination)\n\(failure.standardErrorTail)")
        }
        return String(decoding: result.output, as: UTF8.self)
    }

    /// What children see.
    var environment: [String: String] {
        ["PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "HOME": folder, "TZ": "UTC"]
    }

    /// A connection string for PostgreSQL's own programs.
    func connectionString(_ database: String) -> String {
        "host=\(cluster.socketDirectory) port=\(cluster.port) user=postgres dbname=\(database)"
    }

    func makeFolder(_ path: String) throws {
        guard mkdir(path, 0o700) == 0 else { throw BenchmarkFailure.system("make", path) }
    }
}
