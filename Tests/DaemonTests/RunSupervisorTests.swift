import Configuration
import Daemon
import Foundation
import History
import Jobs
import Postgres
import Schedule
import TestSupport
import Testing

@Suite("The supervision of a run")
struct RunSupervisorTests {
    @Test("a run stops itself at the end of its window, says how far it came, and goes on at its next fire")
    func window() async throws {
        try await TestCluster.withDatabase { target in
            try await createEvents(target)
            let bench = try Workbench(slowRetention(target))
            let now = bench.caretaker.clock.now()
            let ending = try await bench.run("slow", fire: now, until: now + .milliseconds(1500))
            #expect(ending.record.outcome == .cancelled)
            #expect(ending.record.errorCode == "window-ended")
            #expect(ending.record.message == "stopped at the end of its window")
            #expect(!ending.isWorthRetrying)
            let deleted = ending.record.measures.first { $0.name == "rows_deleted" }?.value ?? 0
            #expect(deleted > 0 && deleted < 1000)
            let left = try await PostgresConnection.with(target) { try await $0.query("SELECT count(*) FROM events").scalar }
            #expect(left == "\(1000 - deleted)")
            let line = try #require(bench.log.lines.last { $0.fields["job"] == "slow" })
            #expect(line.message.contains("stopped at the end of its window after") && line.message.contains("rows deleted"))
            #expect(try await bench.caretaker.history.runs(limit: 1).first?.outcome == .cancelled)
            // The next night it begins where it left off.
            let next = try await bench.run("slow", fire: now + .seconds(86400), until: now + .milliseconds(3000))
            #expect(next.record.measures.first { $0.name == "rows_deleted" }?.value ?? 0 > 0)
        }
    }

    @Test("a run that reaches its timeout fails with what it had done")
    func timeout() async throws {
        try await TestCluster.withDatabase { target in
            try await createEvents(target)
            let bench = try Workbench(slowRetention(target) + "timeout = \"1s\"\n")
            let ending = try await bench.run("slow", fire: bench.caretaker.clock.now())
            #expect(ending.record.outcome == .failed)
            #expect(ending.record.errorCode == "timed-out")
            #expect(ending.record.measures.first { $0.name == "rows_deleted" }?.value ?? 0 > 0)
            #expect(bench.log.lines.last?.fields["event"] == "run-timed-out")
        }
    }

    @Test("a fire runs once: a second claim does nothing, and says nothing")
    func claim() async throws {
        try await TestCluster.withDatabase { target in
            let bench = try Workbench(
                "[database]\nurl = \"\(target.connectionString)\"\n[jobs.sizes]\nkind = \"table-sizes\"\nschedule = \"@daily\"\n")
            let fire = bench.caretaker.clock.now()
            #expect(try await bench.run("sizes", fire: fire).record.outcome == .succeeded)
            let count = bench.log.lines.count
            #expect(try await bench.run("sizes", fire: fire).record.outcome == nil)
            #expect(bench.log.lines.count == count)
            #expect(try await bench.caretaker.history.runs(limit: 10).count == 1)
        }
    }

    @Test("a job that another process runs is skipped, and a scheduled fire is recorded as that")
    func locked() async throws {
        try await TestCluster.withDatabase { target in
            let bench = try Workbench(
                "[database]\nurl = \"\(target.connectionString)\"\n[jobs.sizes]\nkind = \"table-sizes\"\nschedule = \"@daily\"\n")
            let other = FileLock.take("\(bench.configuration.stateDirectory)/locks/sizes.lock")
            guard case .taken(let lock) = other else {
                Issue.record("\(other)")
                return
            }
            let ending = try await bench.run("sizes", fire: bench.caretaker.clock.now())
            withExtendedLifetime(lock) {}
            #expect(ending.record.outcome == .skipped && ending.record.skipReason == .locked)
            #expect(try await bench.caretaker.history.runs(limit: 1).first?.skipReason == .locked)
        }
    }
}
