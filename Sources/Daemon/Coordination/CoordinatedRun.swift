import History
import Jobs
import Postgres
import Schedule

/// A fire that this host has taken, and the session whose lock keeps the others away while it runs.
struct CoordinatedRun: Sendable {
    let job: String
    /// `nil` for a run by hand.
    let fire: Instant?
    let host: String
    let database: DatabaseAccess
    let connection: PostgresConnection
    let coordinator: Coordinator
    let clock: any JobClock

    /// Shows signs of life, and returns once the session is lost, and the lock with it: the run must then end.
    ///
    /// Also returns when the task is cancelled; false then.
    func watch() async -> Bool {
        while !Task.isCancelled {
            do { try await clock.sleep(for: Coordinator.heartbeat) } catch { return false }
            guard await isHeld() else { return !Task.isCancelled }
        }
        return false
    }

    /// Whether the session answers, soon enough, that the fire is still ours. A network that is gone answers nothing at all, while
    /// the server lets go of the lock.
    ///
    /// The one that comes first counts, and the other is not waited for: a statement on such a network does not end by being
    /// cancelled either.
    private func isHeld() async -> Bool {
        let answers = AsyncStream.makeStream(of: Bool.self)
        let beat = Task { answers.continuation.yield(await self.beat()) }
        let limit = Task { [clock] in
            try? await clock.sleep(for: Coordinator.answerTime)
            answers.continuation.yield(false)
        }
        defer {
            beat.cancel()
            limit.cancel()
        }
        var first = answers.stream.makeAsyncIterator()
        return await first.next() ?? false
    }

    private func beat() async -> Bool {
        do throws(PostgresError) {
            guard let fire else {
                _ = try await connection.query("SELECT 1")
                return true
            }
            return try await connection.execute(
                CoordinationQueries.heartbeat, [.text(job), .text(String(fire.microsecondsSinceEpoch)), .text(host)]) == 1
        } catch {
            return false
        }
    }

    /// Writes how the run ended, and lets go of the lock.
    ///
    /// A run whose end is not written is taken over by another host once this one has been silent for a while; so it is tried
    /// again over new connections until then.
    ///
    /// - Parameter retryDelay: after what time this host tries again; `nil` if it does not.
    func end(_ outcome: Outcome, retryDelay: Duration?) async {
        let run = self
        // Also in a task that has been cancelled.
        await Task.detached { await run.writeEnd(outcome, retryDelay: retryDelay) }.value
    }

    private func writeEnd(_ outcome: Outcome, retryDelay: Duration?) async {
        defer { Task.detached { [connection] in await connection.close() } }
        guard let fire else { return }
        let parameters: [PostgresParameter] = [
            .text(job), .text(String(fire.microsecondsSinceEpoch)), .text(host), .text(outcome.rawValue),
            retryDelay.map { .text(String($0.components.seconds)) } ?? .null,
        ]
        do throws(PostgresError) {
            _ = try await connection.execute(CoordinationQueries.end, parameters)
            return
        } catch {
            guard error.isConnectionLost || error.isWorthRetrying else { return }
        }
        let begin = clock.elapsed()
        while clock.elapsed() - begin < Coordinator.patience {
            do {
                let fresh = try await coordinator.connect(to: database)
                let result = try? await fresh.execute(CoordinationQueries.end, parameters)
                await fresh.close()
                if result != nil { return }
            } catch {
                // The server is still away.
            }
            try? await clock.sleep(for: .milliseconds(500))
        }
    }
}
