import Glibc
import Postgres
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct CopyOutTests {
    /// What arrived, gathered on the connection's thread.
    private struct Arrived {
        var bytes = 0
        var pieces = 0
        var brokenPieces = 0
        var threads: Set<String> = []
    }

    private static let manyRows = "COPY (SELECT i, repeat('x', 390) FROM generate_series(1, 80000) i) TO STDOUT"

    @Test("a large COPY arrives whole, in pieces of whole rows, on the connection's own thread")
    func large() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                let arrived = Mutex(Arrived())
                let count = try await connection.copyOut(Self.manyRows) { piece in
                    let thread = threadName()
                    arrived.withLock {
                        $0.bytes += piece.count
                        $0.pieces += 1
                        if piece.last != UInt8(ascii: "\n") { $0.brokenPieces += 1 }
                        $0.threads.insert(thread)
                    }
                }
                let result = arrived.withLock { $0 }
                let digits = (1...80_000).reduce(0) { $0 + String($1).utf8.count }
                #expect(count == 80_000)
                #expect(result.bytes == digits + 80_000 * 392)
                #expect(result.brokenPieces == 0)
                #expect(result.pieces <= result.bytes / 65_536 + 1)
                #expect(result.threads == ["postgres"])
                try await expectUsable(connection)
            }
        }
    }

    @Test("rows that a DELETE returns can be copied out, in one transaction with it")
    func deleteReturning() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await connection.simple(
                    "CREATE TABLE t (i int, t text); INSERT INTO t VALUES (1, 'one'), (2, NULL)")
                let text = Mutex("")
                try await connection.simple("BEGIN")
                let count = try await connection.copyOut("COPY (DELETE FROM t RETURNING *) TO STDOUT (FORMAT csv)") {
                    piece in
                    text.withLock { $0 += String(decoding: piece, as: UTF8.self) }
                }
                try await connection.simple("ROLLBACK")
                #expect(count == 2)
                #expect(text.withLock { $0 } == "1,one\n2,\n")
                #expect(try await connection.query("SELECT count(*) FROM t").scalar == "2")
            }
        }
    }

    @Test("a sink that throws stops the statement, and the session goes on")
    func sinkThrows() async throws {
        struct DiskFull: Error {}
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                let calls = Mutex(0)
                do throws(CopyOutError) {
                    _ = try await connection.copyOut(Self.manyRows) { _ in
                        calls.withLock { $0 += 1 }
                        throw DiskFull()
                    }
                    Issue.record("nothing was thrown")
                } catch {
                    if case .sink(let cause) = error { #expect(cause is DiskFull) } else { Issue.record("\(error)") }
                }
                #expect(calls.withLock { $0 } == 1)
                try await expectUsable(connection)
            }
        }
    }

    @Test("a COPY is cancelled with its task")
    func cancelled() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                let (pieces, arrival) = AsyncStream.makeStream(of: Void.self)
                let task = Task {
                    try await connection.copyOut(
                        "COPY (SELECT repeat('x', 100), generate_series(1, 1000000000)) TO STDOUT"
                    ) {
                        _ in arrival.yield()
                    }
                }
                for await _ in pieces { break }
                task.cancel()
                switch await task.result {
                case .failure(CopyOutError.server(.cancelled)): break
                case let other: Issue.record("\(other)")
                }
                try await expectUsable(connection)
            }
        }
    }

    @Test("an error in mid-COPY is the server's")
    func serverError() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                do throws(CopyOutError) {
                    _ = try await connection.copyOut(
                        "COPY (SELECT 1 / (i - 5000) FROM generate_series(1, 9000) i) TO STDOUT"
                    ) { _ in }
                    Issue.record("nothing was thrown")
                } catch {
                    guard case .server(let cause) = error else { Issue.record("\(error)"); return }
                    #expect(cause.sqlState == "22012")
                }
                try await expectUsable(connection)
            }
        }
    }
}

/// The calling thread's name (proc(5)).
private func threadName() -> String {
    let descriptor = open("/proc/thread-self/comm", O_RDONLY)
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 32)
    let count = read(descriptor, &buffer, buffer.count)
    return String(decoding: buffer.prefix(max(0, count)).filter { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
}
