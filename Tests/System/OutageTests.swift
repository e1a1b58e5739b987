import Command
import Systemd
import Testing

/// How the service lives through an outage of its database.
@Suite("an outage of the database", .serialized, .whereMachinesBoot, .installedService(), .timeLimit(.minutes(3)))
struct OutageTests {
    @Test("fails runs, which are retried until it is over, and is told once, as is its end")
    func outage() async throws {
        let service = try InstalledService.current
        let machine = service.machine
        let jobs = { (cleanup: String) in
            SchoolDatabase.configuration(
                SchoolDatabase.job("tokens", schedule: everySecond, more: "retries = 0"),
                SchoolDatabase.job("cleanup", schedule: cleanup, more: "retry_delay = \"1s\"\nretries = 10"))
        }
        let cursor = try await service.restart(with: jobs(rarely))
        try await service.awaitEvent(.runSucceeded, of: "tokens", after: cursor)
        let process = try await service.mainProcess
        try await machine.stopPostgreSQL()
        let unreachable = try await service.awaitEvent(.databaseUnreachable, after: cursor)
        #expect(unreachable["PGCARETAKER_DATABASE"] == "main")

        // Due within two seconds, and retried long before it is due again.
        try await service.push(jobs("*/30 * * * * *"))
        try await machine.demand("systemctl", "reload", InstalledService.unit)
        let failed = try await service.awaitEvent(.runFailed, of: "cleanup", after: cursor)
        #expect(failed["PGCARETAKER_ERROR_CODE"] == "database-unreachable")
        #expect(failed["PGCARETAKER_TRIGGER"] == "schedule")
        try await service.awaitEvent(.retryScheduled, of: "cleanup", after: cursor)
        try await service.awaitEvent(.runFailed, of: "cleanup", after: cursor) { $0["PGCARETAKER_TRIGGER"] == "retry" }
        #expect(try await service.statusText.hasPrefix("DEGRADED: cannot reach database main"))
        try await machine.startPostgreSQL()
        let retried = try await service.awaitEvent(.runSucceeded, of: "cleanup", after: cursor)
        #expect(retried["PGCARETAKER_TRIGGER"] == "retry")
        let back = try await service.awaitEvent(.databaseBack, after: cursor)
        try await service.awaitEvent(.runSucceeded, of: "tokens", after: back.cursor)

        #expect(try await service.mainProcess == process)
        #expect(try await service.events(.databaseUnreachable, after: cursor).count == 1)
        #expect(try await service.events(.databaseBack, after: cursor).count == 1)
        #expect(!(try await service.statusText.contains("DEGRADED")))
        let attempts = try await service.history(of: "cleanup").map { "\($0.attempt) \($0.outcome ?? "")" }
        #expect(attempts.first == "1 failed" && attempts.contains { $0.hasSuffix("succeeded") }, "\(attempts)")
    }
}
