import Command
import Glibc

/// A PostgreSQL of our own in a temporary folder: made, used and thrown away.
///
/// It listens on a Unix socket in a folder that nobody else can enter, and on the loopback interface only if asked to. When we
/// are root, which PostgreSQL refuses to be, it runs as an unprivileged user. Unless it is to be durable it does not wait for
/// the disk, which makes it quick and a crash of the machine fatal to it.
package actor PrivateCluster {
    /// What a cluster should be like.
    package struct Options: Sendable {
        /// The folder in which the cluster's own folder is made; short, because the path of a socket has 107 bytes at most.
        package var parent = "/tmp"
        /// The server's programs; `nil` takes Debian's newest.
        package var programs: ServerPrograms?
        /// The name of the superuser.
        package var superuser = "postgres"
        /// Settings of `postgresql.conf`, name to value without quotes. They go before those that this type makes.
        package var settings: [String: String] = [:]
        /// Lines of `pg_hba.conf` that go before those that this type makes.
        package var accessRules: [String] = []
        /// Whether to listen on 127.0.0.1 as well, at a free port, with passwords (scram-sha-256).
        package var listensOnLoopback = false
        /// Whether to wait for the disk (`fsync`), as a server that matters does.
        package var isDurable = false
        /// How long starting and stopping may take.
        package var patience: Duration = .seconds(60)

        /// The ordinary throw-away cluster.
        package init() {}
    }

    /// How a server is told to stop.
    package enum StopMode: String, Sendable {
        /// Sessions are ended, transactions rolled back, all is written.
        case fast
        /// As a crash: nothing is written, and the next start recovers.
        case immediate
    }

    /// The folder with everything in it.
    package nonisolated let directory: String
    /// The port, which is a part of the socket's name too.
    package nonisolated let port: Int
    /// The server's programs, clients included.
    package nonisolated let programs: ServerPrograms
    /// The user that the server runs as; `nil` is ours.
    package nonisolated let serverUser: ProcessUser?
    private nonisolated let options: Options

    /// The folder of the socket, to be used as `host`.
    package nonisolated var socketDirectory: String { "\(directory)/s" }
    /// The data directory (`PGDATA`).
    package nonisolated var dataDirectory: String { "\(directory)/data" }
    /// What the server writes to standard error.
    package nonisolated var logFile: String { "\(directory)/log" }
    /// A target for the superuser over the socket.
    package nonisolated var target: ConnectionTarget {
        ConnectionTarget(keywords: [
            "host": socketDirectory, "port": String(port), "user": options.superuser, "dbname": "postgres",
        ])
    }

    private init(directory: String, port: Int, programs: ServerPrograms, user: ProcessUser?, options: Options) {
        self.directory = directory
        self.port = port
        self.programs = programs
        self.serverUser = user
        self.options = options
    }

    /// Makes a cluster, which does not run yet.
    ///
    /// - Throws: ``PrivateClusterError``; nothing is left behind then.
    package static func create(_ options: Options = Options()) async throws(PrivateClusterError) -> PrivateCluster {
        let programs: ServerPrograms
        if let given = options.programs { programs = given } else { programs = try ServerPrograms.find() }
        let user = try serverUser()
        let port = options.listensOnLoopback ? try freePort() : 5432
        let directory = try makeDirectory(in: options.parent, port: port, for: user)
        let cluster = PrivateCluster(
            directory: directory, port: port, programs: programs, user: user, options: options)
        do throws(PrivateClusterError) {
            try await cluster.initialise()
        } catch {
            removeTree(directory)
            throw error
        }
        return cluster
    }

    /// Makes a cluster and starts it.
    ///
    /// - Throws: ``PrivateClusterError``; nothing is left behind then.
    package static func start(_ options: Options = Options()) async throws(PrivateClusterError) -> PrivateCluster {
        let cluster = try await create(options)
        do throws(PrivateClusterError) {
            try await cluster.start()
        } catch {
            await cluster.remove()
            throw error
        }
        return cluster
    }

    // MARK: Running

    /// Starts the server and waits until it lets clients in.
    ///
    /// - Throws: ``PrivateClusterError`` with the end of the server's log.
    package func start() async throws(PrivateClusterError) {
        try await run(
            "pg_ctl",
            ["start", "--silent", "--wait", "--timeout", seconds, "--pgdata", dataDirectory, "--log", logFile])
    }

    /// Stops the server and waits for its end.
    ///
    /// - Throws: ``PrivateClusterError`` if it does not end in time, or did not run.
    package func stop(_ mode: StopMode = .fast) async throws(PrivateClusterError) {
        try await run(
            "pg_ctl",
            ["stop", "--silent", "--wait", "--timeout", seconds, "--pgdata", dataDirectory, "--mode", mode.rawValue])
    }

    /// Stops the server and starts it again.
    ///
    /// - Throws: ``PrivateClusterError`` as ``start()`` and ``stop(_:)``.
    package func restart(_ mode: StopMode = .fast) async throws(PrivateClusterError) {
        try await stop(mode)
        try await start()
    }

    /// Ends the server, if it runs, and removes the folder. Works in a task that has been cancelled.
    package nonisolated func remove() async {
        await withCheckedContinuation { continuation in
            let remover = startDetachedThread(named: "cluster removal") {
                self.demolish()
                continuation.resume()
            }
            guard !remover else { return }
            demolish()
            continuation.resume()
        }
    }

    /// Ends the server and removes the folder, blocking the calling thread: for the end of a process (`atexit`).
    package nonisolated func demolish() {
        Self.demolish(directory)
    }

    /// Leaves the cluster to whoever wants to look at it: no later sweep removes it.
    package nonisolated func keep() {
        unlink("\(directory)/\(ClusterOwner.fileName)")
    }

    /// Whether the server's main process lives.
    package nonisolated var isRunning: Bool {
        Self.serverProcess(of: directory) != nil
    }

    // MARK: Making

    private var seconds: String { String(max(1, options.patience.components.seconds)) }

    private func initialise() async throws(PrivateClusterError) {
        try await run(
            "initdb",
            [
                "--pgdata", dataDirectory, "--username", options.superuser, "--auth", "trust", "--encoding", "UTF8",
                "--locale", "C", "--no-instructions",
            ] + (options.isDurable ? [] : ["--no-sync"]))
        var settings: [String: String] = [
            "listen_addresses": options.listensOnLoopback ? "127.0.0.1" : "", "port": String(port),
            "unix_socket_directories": socketDirectory, "password_encryption": "scram-sha-256",
        ]
        if !options.isDurable {
            for name in ["fsync", "synchronous_commit", "full_page_writes"] { settings[name] = "off" }
        }
        settings.merge(options.settings) { _, asked in asked }
        let lines = settings.sorted { $0.key < $1.key }.map { "\($0.key) = \(Self.quotedSetting($0.value))\n" }
        try append(lines.joined(), to: "\(dataDirectory)/postgresql.conf")
        let rules = options.accessRules + ["local all all trust", "host all all 127.0.0.1/32 scram-sha-256"]
        let rulesFile = "\(dataDirectory)/pg_hba.conf"
        guard truncate(rulesFile, 0) == 0 else { throw PrivateClusterError.system("empty", rulesFile) }
        try append(rules.joined(separator: "\n") + "\n", to: rulesFile)
    }

    private func append(_ text: String, to path: String) throws(PrivateClusterError) {
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard descriptor >= 0 else { throw PrivateClusterError.system("open", path) }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            throw PrivateClusterError.system("write", path)
        }
    }

    /// A value in quotes, as the configuration file takes it (PostgreSQL 20.1.2).
    private static func quotedSetting(_ value: String) -> String {
        var result = "'"
        for scalar in value.unicodeScalars {
            if scalar == "'" || scalar == "\\" { result.unicodeScalars.append(scalar) }
            result.unicodeScalars.append(scalar)
        }
        return result + "'"
    }

    /// Runs one of the server's programs, as the server's user, and waits for it.
    private func run(_ name: String, _ arguments: [String]) async throws(PrivateClusterError) {
        let program = Program(
            executable: programs.path(of: name), arguments: arguments,
            environment: [
                "PATH": "\(programs.directory):/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "HOME": directory,
                "USER": serverUser?.name ?? ProcessUser.current().name,
            ], user: serverUser, workingDirectory: directory)
        var pipeline = Pipeline([program])
        pipeline.deadline = options.patience + .seconds(10)
        let result: PipelineResult
        do throws(PipelineError) {
            result = try await pipeline.run(input: .none, output: .discard, onErrorLine: nil)
        } catch {
            throw PrivateClusterError("\(name) failed: \(error)", details: logTail())
        }
        guard let failure = result.firstFailure else { return }
        throw PrivateClusterError(
            "\(name) \(failure.termination)",
            details: [failure.standardErrorTail, logTail()].compactMap(\.self).filter { !$0.isEmpty }
                .joined(separator: "\n"))
    }

    private func logTail() -> String? {
        guard let log = textOfFile(logFile) else { return nil }
        return log.split(separator: "\n").suffix(20).joined(separator: "\n")
    }
}

/// Why a private cluster could not be made, started or stopped.
package struct PrivateClusterError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What failed, lower case, no final stop.
    package let message: String
    /// What to do, a full sentence.
    package let hint: String?
    /// The end of what the programs said.
    package let details: String?

    init(_ message: String, hint: String? = nil, details: String? = nil) {
        self.message = message
        self.hint = hint
        self.details = details
    }

    /// A call of the operating system that failed just now.
    static func system(_ verb: String, _ path: String) -> PrivateClusterError {
        PrivateClusterError("cannot \(verb) \(path): \(String(cString: strerror(errno)))")
    }

    /// Message, hint and details.
    package var description: String {
        [message + (hint.map { "; hint: \($0)" } ?? ""), details].compactMap(\.self).joined(separator: "\n")
    }
}
