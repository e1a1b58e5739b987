import Configuration
import Foundation
import History
import Jobs
import Postgres
import Schedule
import TestSupport
import Testing

@testable import Daemon

@Suite("Hosts that agree through a database")
struct CoordinatorTests {
    /// A job that does not come to its end however slow the machine is.
    func endlessJob(_ target: ConnectionTarget) -> String { slowRetention(target).replacing("200ms", with: "10s") }

    /// Runs a job by its schedule, as the host does whose workbench this is.
    func run(_ bench: Workbench, fire: Instant, attempt: Int = 1) async throws -> RunSupervisor.Ending {
        let job = try #require(bench.configuration.job(named: "slow"))
        let database = try #require(bench.configuration.databases["main"])
        let coordinator = Coordinator(stateDirectory: bench.configuration.stateDirectory, clock: bench.caretaker.clock)
        return await RunSupervisor(caretaker: bench.caretaker, coordinator: coordinator).run(
            job, on: database, trigger: attempt > 1 ? .retry : .schedule, fire: fire, attempt: attempt)
    }

    /// Waits until a run has been going for a while.
    func waitUntilRunning(_ target: ConnectionTarget) async throws {
        try await PostgresConnection.with(target) { connection in
            try await connection.wait(
                until: "SELECT (count(*) < 1000)::text FROM events", is: "true", patience: .seconds(30))
        }
    }

    @Test("a run that a stop cut off is nobody's for good: its host makes up for it, or another one")
    func stopped() async throws {
        try await TestCluster.withDatabase { target in
            try await createEvents(target)
            let bench = try Workbench(endlessJob(target))
            let fire = bench.caretaker.clock.now()
            let going = Task { try await run(bench, fire: fire) }
            try await waitUntilRunning(target)
            going.cancel()
            #expect(try await going.value.record.outcome == .cancelled)
            let other = try Workbench(endlessJob(target))
            #expect(try await run(other, fire: fire).elsewhere == .running)
            let again = Task { try await run(bench, fire: fire, attempt: 2) }
            try await PostgresConnection.with(target) { connection in
                try await connection.wait(
                    until: "SELECT (attempt = 2 AND ended_at IS NULL)::text FROM pgcaretaker.fires", is: "true",
                    patience: .seconds(30))
            }
            again.cancel()
            #expect(try await again.value.elsewhere == nil)
        }
    }

    @Test("a run that a stop cut off and that is not to be made up for is over")
    func stoppedForGood() async throws {
        try await TestCluster.withDatabase { target in
            try await createEvents(target)
            let bench = try Workbench(endlessJob(target) + "catch_up = false\n")
            let fire = bench.caretaker.clock.now()
            let going = Task { try await run(bench, fire: fire) }
            try await waitUntilRunning(target)
            going.cancel()
            #expect(try await going.value.record.outcome == .cancelled)
            #expect(try await run(bench, fire: fire, attempt: 2).elsewhere == .done(succeeded: false))
        }
    }

    @Test("a fire that comes while another host still runs the one before is skipped, not kept for later")
    func overlap() async throws {
        try await TestCluster.withDatabase { target in
            try await createEvents(target)
            let bench = try Workbench(endlessJob(target))
            let other = try Workbench(endlessJob(target))
            let fire = bench.caretaker.clock.now()
            let going = Task { try await run(bench, fire: fire) }
            try await waitUntilRunning(target)
            let next = try await run(other, fire: fire + .seconds(60))
            #expect(next.elsewhere == nil)
            #expect(next.record.skipReason == .overlap)
            #expect(try await other.caretaker.history.runs(limit: 1).first?.skipReason == .overlap)
            // The one before itself is watched, should its host die.
            #expect(try await run(other, fire: fire).elsewhere == .running)
            going.cancel()
            _ = try await going.value
        }
    }

    /// Time passes twenty times as fast.
    private struct QuickClock: JobClock {
        private let real = SystemJobClock()
        func now() -> Instant { real.now() }
        func sleep(for duration: Duration) async throws { try await real.sleep(for: duration / 20) }
        func elapsed() -> Duration { real.elapsed() }
    }

    @Test("a session that answers nothing at all counts as lost, and is not waited for", .timeLimit(.minutes(1)))
    func silent() async throws {
        try await TestCluster.withDatabase { target in
            let clock = QuickClock()
            let database = DatabaseAccess(name: "main", target: target, timestamps: "UTC")
            let coordinator = Coordinator(stateDirectory: "/nowhere", clock: clock)
            guard case .taken(let run) = try await coordinator.claim("job", on: database, fire: clock.now(), attempt: 1) else {
                Issue.record("not taken")
                return
            }
            // As good as a network that is gone: the process on the other side does nothing, not even end its statement.
            let process = run.connection.backendPID
            #expect(kill(process, SIGSTOP) == 0)
            let (isLost, took) = await elapsed { await run.watch() }
            #expect(kill(process, SIGCONT) == 0)
            #expect(isLost)
            #expect(took < .seconds(8))
            await run.end(.failed, retryDelay: nil)
        }
    }

    private func elapsed(_ body: () async -> Bool) async -> (Bool, Duration) {
        let begin = ContinuousClock.now
        let value = await body()
        return (value, begin.duration(to: .now))
    }

    @Test("the server is told to notice within seconds that a host has vanished without a word")
    func vanished() {
        let settings = Coordinator.sessionOptions.settings.compactMapValues { Int($0) }
        let (idle, interval, count) = (
            settings["tcp_keepalives_idle"] ?? 7200, settings["tcp_keepalives_interval"] ?? 75,
            settings["tcp_keepalives_count"] ?? 9
        )
        #expect(idle + interval * count <= 30)
    }
}
