import Command
import Foundation
import Postgres
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct LostConnectionTests {
    @Test("a session that is terminated in mid-query says so")
    func terminatedWhileBusy() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                let pid = connection.backendPID
                let task = Task { try await connection.query("SELECT pg_sleep(120)") }
                try await PostgresConnection.with(try await TestCluster.shared.administrator) { watcher in
                    try await watcher.wait(
                        until: "SELECT count(*) FROM pg_stat_activity WHERE pid = \(pid) AND wait_event = 'PgSleep'",
                        is: "1")
                    try await watcher.query("SELECT pg_terminate_backend(\(pid))")
                }
                let failure = try await error { try await task.value }
                #expect(failure.sqlState == .adminShutdown)
                #expect(failure.severity == "FATAL")
                #expect(failure.isConnectionLost && failure.isWorthRetrying && !failure.isCancelled)
                #expect(try await error { try await connection.query("SELECT 1") }.isConnectionLost)
                await connection.rollBack()
            }
        }
    }

    @Test("a session that is terminated while idle says so at the next statement")
    func terminatedWhileIdle() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                let pid = connection.backendPID
                try await PostgresConnection.with(try await TestCluster.shared.administrator) { watcher in
                    try await watcher.query("SELECT pg_terminate_backend(\(pid))")
                    try await watcher.wait(
                        until: "SELECT count(*) FROM pg_stat_activity WHERE pid = \(pid)", is: "0")
                }
                let failure = try await error {
                    try await connection.transaction { () async throws(PostgresError) in
                        try await connection.query("SELECT 1")
                    }
                }
                #expect(failure.isConnectionLost && failure.isWorthRetrying)
                #expect(await !connection.isUsable)
            }
        }
    }

    @Test("a server that dies loses the connection; it can be reached again once it is back")
    func serverDies() async throws {
        var options = PrivateCluster.Options()
        options.settings = ["autovacuum": "off"]
        let cluster = try await PrivateCluster.start(options)
        do {
            try await PostgresConnection.with(cluster.target) { connection in
                let task = Task { try await connection.query("SELECT pg_sleep(120)") }
                try await PostgresConnection.with(cluster.target) { watcher in
                    try await watcher.wait(
                        until: "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'", is: "1")
                    try await cluster.stop(.immediate)
                }
                let failure = try await error { try await task.value }
                #expect(failure.isConnectionLost && failure.isWorthRetrying)
            }
            #expect(!cluster.isRunning)
            let refused = try await error { try await PostgresConnection.connect(to: cluster.target) }
            #expect(refused.isConnectionLost && refused.isWorthRetrying && refused.sqlState == nil)
            #expect(refused.hint?.contains("Is the server running") == true)
            #expect(refused.message.contains(cluster.socketDirectory))
            try await cluster.start()
            try await PostgresConnection.with(cluster.target) { connection in
                try await expectUsable(connection)
            }
            try await cluster.restart()
            #expect(cluster.isRunning)
        } catch {
            await cluster.remove()
            throw error
        }
        await cluster.remove()
        #expect(!FileManager.default.fileExists(atPath: cluster.directory))
    }

    @Test("a refusal carries the server's code and no password")
    func refusals() async throws {
        let cluster = try await TestCluster.shared
        try await cluster.withDatabase(password: "right-one") { socket in
            let target = cluster.overLoopback(socket)
            let user = socket.user ?? ""
            try await PostgresConnection.with(target) { #expect($0.host == "127.0.0.1") }
            let wrong = try await error {
                try await PostgresConnection.connect(to: target.with(user: user, password: Secret("wrong-one")))
            }
            #expect(wrong.sqlState == .invalidPassword)
            #expect(!wrong.isConnectionLost && !wrong.isWorthRetrying)
            #expect(!"\(wrong)".contains("wrong-one") && !wrong.message.contains("28P01"))
            #expect(wrong.message.contains("password authentication failed"))
            #expect(!wrong.message.contains("LOCATION") && !wrong.message.contains("auth.c"))

            let missing = try await error { try await PostgresConnection.connect(to: target.with(database: "no such")) }
            #expect(missing.sqlState == .undefinedDatabase)
            let none = try await error {
                try await PostgresConnection.connect(to: target.with(user: user, password: nil))
            }
            #expect(none.message.contains("no password supplied"))
            let stranger = try await error {
                try await PostgresConnection.connect(to: socket.with(user: "nobody at all", password: nil))
            }
            #expect(stranger.sqlState == .invalidAuthorizationSpecification)
        }
    }

    @Test("a port on which nobody listens, or a setting that libpq refuses, is named")
    func unreachable() async throws {
        let port = try SilentServer().port
        let target = try ConnectionTarget(url: "postgresql://me:geheim@127.0.0.1:\(port)/db")
        let refused = try await error { try await PostgresConnection.connect(to: target) }
        #expect(refused.isConnectionLost && refused.isWorthRetrying)
        #expect(refused.message.contains("port \(port)") && refused.message.contains("refused"))
        #expect(!"\(refused)".contains("geheim"))
        let odd = ConnectionTarget(keywords: ["host": "127.0.0.1", "sslmode": "sideways"], password: Secret("geheim"))
        let invalid = try await error { try await PostgresConnection.connect(to: odd) }
        #expect(invalid.message.contains("sslmode") && !"\(invalid)".contains("geheim"))
    }

    @Test("a hundred connections leave neither threads nor descriptors behind")
    func noLeak() async throws {
        let cluster = try await TestCluster.shared
        let host = cluster.cluster.socketDirectory
        let port = cluster.cluster.port
        // In a process of its own, where nobody else starts threads.
        await #expect(processExitsWith: .success) { [host = host as String, port = port as Int] in
            let target = ConnectionTarget(
                keywords: ["host": host, "port": String(port), "user": "postgres", "dbname": "postgres"])
            func connectionThreads() throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").filter {
                    (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)) == "postgres\n"
                }.count
            }
            func descriptors() throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
            }
            // The first connection opens what the process keeps (libpq's and the resolver's own).
            try await PostgresConnection.with(target) { _ in }
            let before = try descriptors()
            var most = 0
            var closed: [PostgresConnection] = []
            for number in 1...100 {
                let connection = try await PostgresConnection.connect(to: target)
                most = max(most, try connectionThreads())
                _ = try await connection.query("SELECT 1")
                // Every other one is just let go of; of the others only the objects stay.
                if number.isMultiple(of: 2) {
                    await connection.close()
                    closed.append(connection)
                }
            }
            let failed = ConnectionTarget(keywords: ["host": host, "port": "1"])
            for _ in 1...20 { _ = try? await PostgresConnection.connect(to: failed) }
            let limit = ContinuousClock.now + .seconds(20)
            while try connectionThreads() > 0 || descriptors() > before, .now < limit { await Task.yield() }
            guard try connectionThreads() == 0, try descriptors() <= before, most < 20, most > 0 else { exit(3) }
            #expect(closed.count == 50)
        }
    }
}
