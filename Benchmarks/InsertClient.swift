import Glibc
import Postgres
import Synchronization

/// The application as a bystander: it inserts one activity after the other at a steady pace, each in a transaction of its
/// own, and takes the time until the commit is answered.
final class InsertClient: Sendable {
    /// One insert.
    private struct Sample: Sendable {
        let begun: ContinuousClock.Instant
        let milliseconds: Double
    }

    static let perSecond = 200
    /// What the first inserts of a session take is not typical: caches are filled.
    private static let warmUp = Duration.seconds(1)
    private static let idleTime = Duration.seconds(5)

    private let isEnding = Atomic<Bool>(false)
    private let task: Mutex<Task<[Sample], any Error>?>

    private init() { task = Mutex(nil) }

    /// Connects and begins.
    private static func start(on target: ConnectionTarget) async throws -> InsertClient {
        let connection = try await PostgresConnection.connect(to: target)
        let client = InsertClient()
        client.task.withLock {
            $0 = Task.detached {
                let result: Result<[Sample], any Error>
                do { result = .success(try await client.insert(on: connection)) } catch { result = .failure(error) }
                await connection.close()
                return try result.get()
            }
        }
        return client
    }

    /// Ends, and gives the latencies of what was begun in a span of time, in milliseconds.
    private func end(from begin: ContinuousClock.Instant, to end: ContinuousClock.Instant) async throws -> [Double] {
        isEnding.store(true, ordering: .relaxed)
        guard let task = task.withLock({ $0 }) else { return [] }
        return try await task.value.filter { $0.begun >= begin && $0.begun <= end }.map(\.milliseconds)
    }

    /// Works while the client inserts.
    ///
    /// - Returns: how long the work took, and the latencies of the inserts during it.
    static func measure(
        on target: ConnectionTarget, while work: () async throws -> Void
    ) async throws -> (time: Duration, latencies: [Double]) {
        let client = try await start(on: target)
        do {
            try await Task.sleep(for: warmUp)
            let begin = ContinuousClock.now
            try await work()
            let end = ContinuousClock.now
            return (begin.duration(to: end), try await client.end(from: begin, to: end))
        } catch {
            _ = try? await client.end(from: .now, to: .now)
            throw error
        }
    }

    /// What to say if even without a contestant the client could not keep its pace; `nil` if it could.
    static func remark(idle: Double) -> String? {
        guard idle > 50 else { return nil }
        return
            "Something else keeps this machine busy: the inserts fell behind with no contestant at work. Their latencies mean nothing."
    }

    /// The latencies while nothing else happens.
    static func idle(on target: ConnectionTarget) async throws -> [Double] {
        try await measure(on: target) { try await Task.sleep(for: idleTime) }.latencies
    }

    /// Runs on the connection's own thread, which it may block: no change of threads falsifies the time.
    private func insert(on connection: isolated PostgresConnection) async throws -> [Sample] {
        let statement = """
            INSERT INTO activities (id, "userId", action, "actionType", module, description, "ipAddress", "userAgent")
            VALUES ($1, 'user-1', 'OTHER', 'CREATE', 'bench', 'inserted while others work', '10.0.0.1', 'bench')
            """
        let session = UInt64.random(in: 0...UInt64.max)
        let interval = Duration.seconds(1) / Self.perSecond
        var samples: [Sample] = []
        var due = ContinuousClock.now
        while !isEnding.load(ordering: .relaxed) {
            let now = ContinuousClock.now
            if now < due {
                usleep(UInt32((due - now) / .microseconds(1)))
                continue
            }
            // An insert that was due while the one before was still waiting has waited as well. Without this, one stall of a
            // second would count as one slow insert rather than two hundred.
            let begun = samples.isEmpty || now - due < interval ? now : due
            try await connection.query(statement, [.text("bench-\(session)-\(samples.count)")])
            samples.append(Sample(begun: begun, milliseconds: begun.duration(to: .now) / .milliseconds(1)))
            due += interval
        }
        return samples
    }
}
