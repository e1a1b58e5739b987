import Glibc
import Postgres
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct CancellationTests {
    @Test("cancelling the task cancels the statement, and the session goes on")
    func cancelsStatement() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await withWatcher(of: connection) { watcher, sleeps in
                    let started = ContinuousClock.now
                    let task = Task { try await connection.query("SELECT pg_sleep(120)") }
                    try await watcher.wait(until: sleeps, is: "1")
                    task.cancel()
                    let failure = try await error { try await task.value }
                    #expect(failure == .cancelled)
                    #expect(failure.isCancelled && !failure.isConnectionLost && !failure.isWorthRetrying)
                    #expect(.now - started < .seconds(60))
                    try await expectUsable(connection)
                }
            }
        }
    }

    @Test("a cancelled transaction is rolled back")
    func cancelsTransaction() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple("CREATE TABLE t (i int)")
                try await withWatcher(of: connection) { watcher, sleeps in
                    let task = Task {
                        try await connection.transaction { () async throws(PostgresError) in
                            try await connection.execute("INSERT INTO t VALUES (1)")
                            try await connection.query("SELECT pg_sleep(120)")
                        }
                    }
                    try await watcher.wait(until: sleeps, is: "1")
                    task.cancel()
                    #expect(try await error { try await task.value }.isCancelled)
                    #expect(await connection.transactionState == .idle)
                    #expect(try await connection.query("SELECT count(*) FROM t").scalar == "0")
                }
            }
        }
    }

    @Test("a task that was cancelled before sends nothing, and its transaction does not commit")
    func cancelledBefore() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple("CREATE TABLE t (i int)")
                let task = Task {
                    try await connection.transaction { () async throws(PostgresError) in
                        try await connection.execute("INSERT INTO t VALUES (1)")
                        withUnsafeCurrentTask { $0?.cancel() }
                    }
                }
                #expect(try await error { try await task.value } == .cancelled)
                #expect(await connection.transactionState == .idle)
                #expect(try await connection.query("SELECT count(*) FROM t").scalar == "0")
                let late = Task {
                    withUnsafeCurrentTask { $0?.cancel() }
                    return try await PostgresConnection.connect(to: target)
                }
                #expect(try await error { try await late.value } == .cancelled)
            }
        }
    }

    @Test("a cancellation never hits the statement after the one it was meant for")
    func noLateHit() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                for round in 0..<60 {
                    // From cancelled at once to nearly always finished first.
                    let task = Task { try await connection.query("SELECT pg_sleep($1)", [.double(0.0002)]) }
                    for _ in 0..<(round * 20) { await Task.yield() }
                    task.cancel()
                    _ = await task.result
                    // Long enough for a request that is still on its way.
                    try await connection.query("SELECT pg_sleep(0.01)")
                }
            }
        }
    }

    @Test("a statement that the server cancels by itself is no cancellation of ours")
    func cancelledByServer() async throws {
        try await TestCluster.withDatabase { target in
            let impatient = SessionOptions(statementTimeout: .milliseconds(20))
            try await PostgresConnection.with(target, options: impatient) { connection in
                let failure = try await error { try await connection.query("SELECT pg_sleep(120)") }
                #expect(failure.sqlState == .queryCanceled)
                #expect(!failure.isCancelled && !failure.isWorthRetrying)
            }
        }
    }

    @Test("a server that does not answer to a cancellation loses the connection")
    func silentServer() async throws {
        try await TestCluster.withDatabase { target in
            var options = SessionOptions()
            options.cancelPatience = .milliseconds(100)
            try await PostgresConnection.with(target, options: options) { connection in
                try await withWatcher(of: connection) { watcher, sleeps in
                    let task = Task { try await connection.query("SELECT pg_sleep(120)") }
                    try await watcher.wait(until: sleeps, is: "1")
                    kill(connection.backendPID, SIGSTOP)
                    defer { kill(connection.backendPID, SIGCONT) }
                    task.cancel()
                    let failure = try await error { try await task.value }
                    #expect(failure.isCancelled && failure.isConnectionLost)
                    #expect(await !connection.isUsable)
                    #expect(try await error { try await connection.query("SELECT 1") }.isConnectionLost)
                }
            }
        }
    }

    @Test("a login is given up at once when its task is cancelled, whatever the server does")
    func cancelsLogin() async throws {
        let server = try SilentServer()
        let target = try ConnectionTarget(url: "postgresql://me@127.0.0.1:\(server.port)/db?connect_timeout=0")
        let task = Task { try await PostgresConnection.connect(to: target) }
        for _ in 0..<1000 { await Task.yield() }
        task.cancel()
        #expect(try await error { try await task.value } == .cancelled)
    }

    @Test("a login that nobody answers to ends with the connect timeout")
    func connectTimeout() async throws {
        let server = try SilentServer()
        let target = try ConnectionTarget(url: "postgresql://me:geheim@127.0.0.1:\(server.port)/db")
        let options = SessionOptions(connectTimeout: .milliseconds(50))
        let failure = try await error { try await PostgresConnection.connect(to: target, options: options) }
        #expect(failure.message == "db at 127.0.0.1:\(server.port) did not answer in time")
        #expect(failure.isConnectionLost && failure.isWorthRetrying && failure.sqlState == nil)
    }

    @Test("of several hosts the next one is tried when one says nothing")
    func severalHosts() async throws {
        let server = try SilentServer()
        try await TestCluster.withDatabase { target in
            var keywords = target.keywords
            let host = keywords["host"] ?? ""
            let port = keywords["port"] ?? ""
            keywords["host"] = "127.0.0.1,\(host)"
            keywords["port"] = "\(server.port),\(port)"
            // As long as a login may take on a busy machine, because it bounds that of the good host as well.
            let options = SessionOptions(connectTimeout: .seconds(2))
            try await PostgresConnection.with(ConnectionTarget(keywords: keywords), options: options) { connection in
                #expect(connection.host == host)
            }
        }
    }

    /// Runs a body with another session, and a query that counts the sessions of `connection`'s that sleep.
    private func withWatcher(
        of connection: PostgresConnection, _ body: (PostgresConnection, String) async throws -> Void
    ) async throws {
        let pid = connection.backendPID
        try await PostgresConnection.with(try await TestCluster.shared.administrator) { watcher in
            try await body(
                watcher, "SELECT count(*) FROM pg_stat_activity WHERE pid = \(pid) AND wait_event = 'PgSleep'")
        }
    }
}
