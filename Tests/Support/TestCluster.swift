import Command
import Foundation
import Postgres
import Synchronization

/// The private PostgreSQL that all tests of a process share.
///
/// Its zone is Asia/Kolkata, so that whoever forgets to say UTC is half past five out. It listens on a socket (no password asked)
/// and on 127.0.0.1 (passwords, scram-sha-256). It is removed when the process exits; should the process die, the next one
/// removes it.
package struct TestCluster: Sendable {
    /// The cluster itself, for tests that need its programs, its port or its log.
    package let cluster: PrivateCluster

    /// The superuser over the socket, in the database `postgres`.
    package var administrator: ConnectionTarget { cluster.target }

    /// The cluster, started by whoever asks first.
    package static var shared: TestCluster {
        get async throws { try await starting.value }
    }

    /// All tests of a process begin at once, and would together want more sessions than the server has.
    private static let gate = Gate(12)

    private static let starting = Task.detached { () async throws -> TestCluster in
        PrivateCluster.sweepOrphans(in: "/tmp")
        var options = PrivateCluster.Options()
        options.listensOnLoopback = true
        options.settings = [
            "timezone": "Asia/Kolkata", "log_timezone": "Asia/Kolkata", "log_statement": "none",
            "max_connections": "200",
            "shared_buffers": "64MB", "autovacuum": "off",
        ]
        let cluster = try await PrivateCluster.start(options)
        ExitCleaning.add { cluster.demolish() }
        return TestCluster(cluster: cluster)
    }

    /// Runs a body with a database of its own, owned by a fresh role that is no superuser, and drops both afterwards.
    ///
    /// - Parameter password: the role's password, needed on 127.0.0.1 only.
    @discardableResult
    package nonisolated(nonsending) static func withDatabase<Value>(
        password: String? = nil, _ body: (ConnectionTarget) async throws -> Value
    ) async throws -> Value {
        try await shared.withDatabase(password: password, body)
    }

    /// Runs a body with a database of its own, as the static function does.
    @discardableResult
    package nonisolated(nonsending) func withDatabase<Value>(
        password: String? = nil, _ body: (ConnectionTarget) async throws -> Value
    ) async throws -> Value {
        await Self.gate.enter()
        defer { Self.gate.leave() }
        let name = "test_\(UUID().uuidString.prefix(12).lowercased().replacingOccurrences(of: "-", with: "_"))"
        let login = password.map { "PASSWORD \(quoteLiteral($0))" } ?? ""
        try await administrate(
            "CREATE ROLE \(name) LOGIN \(login)", "CREATE DATABASE \(name) OWNER \(name) TEMPLATE template0")
        let target = administrator.with(database: name).with(user: name, password: password.map(Secret.init))
        let outcome: Result<Value, any Error>
        do { outcome = .success(try await body(target)) } catch { outcome = .failure(error) }
        try await administrate("DROP DATABASE IF EXISTS \(name) WITH (FORCE)", "DROP ROLE IF EXISTS \(name)")
        return try outcome.get()
    }

    /// The same target over 127.0.0.1, where the password is asked for.
    package func overLoopback(_ target: ConnectionTarget) -> ConnectionTarget {
        var keywords = target.keywords
        keywords["host"] = "127.0.0.1"
        return ConnectionTarget(keywords: keywords, password: target.password, schema: target.schema)
    }

    /// Runs statements as the superuser, each in a transaction of its own, also in a task that has been cancelled.
    package func administrate(_ statements: String...) async throws {
        let target = administrator
        try await Task.detached {
            let connection = try await PostgresConnection.connect(to: target)
            for statement in statements { try await connection.simple(statement) }
            await connection.close()
        }.value
    }
}

/// What is done when the process exits.
enum ExitCleaning {
    private static let actions = Mutex<[@Sendable () -> Void]>([])
    private static let registration: Int32 = atexit { ExitCleaning.run() }

    static func add(_ action: @escaping @Sendable () -> Void) {
        _ = registration
        actions.withLock { $0.append(action) }
    }

    private static func run() {
        for action in actions.withLock({ $0 }) { action() }
    }
}

extension PostgresConnection {
    /// Runs a body with a connection and closes it.
    @discardableResult
    package nonisolated(nonsending) static func with<Value>(
        _ target: ConnectionTarget, options: SessionOptions = SessionOptions(),
        _ body: (PostgresConnection) async throws -> Value
    ) async throws -> Value {
        let connection = try await connect(to: target, options: options)
        let outcome: Result<Value, any Error>
        do { outcome = .success(try await body(connection)) } catch { outcome = .failure(error) }
        await connection.close()
        return try outcome.get()
    }

    /// Asks again and again until a query's first value is what is waited for; for states that the server is about to reach.
    ///
    /// - Throws: ``NeverHappened`` after `patience`.
    package nonisolated(nonsending) func wait(
        until sql: String, _ parameters: [PostgresParameter] = [], is expected: String,
        patience: Duration = .seconds(20)
    ) async throws {
        let limit = ContinuousClock.now + patience
        var last: String?
        repeat {
            last = try await query(sql, parameters).scalar
            if last == expected { return }
            await Task.yield()
        } while .now < limit
        throw NeverHappened(expected: expected, last: last)
    }
}

/// Something that a test waited for did not come about.
package struct NeverHappened: Error, CustomStringConvertible {
    let expected: String
    let last: String?

    /// What was waited for and what was there instead.
    package var description: String { "waited for \(expected), last seen: \(last ?? "NULL")" }
}
