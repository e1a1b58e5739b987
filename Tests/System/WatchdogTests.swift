import Command
import Systemd
import Testing

/// That systemd notices a daemon that no longer does its work.
@Suite("the watchdog of the service", .serialized, .whereMachinesBoot, .installedService(), .timeLimit(.minutes(3)))
struct WatchdogTests {
    @Test("leaves a daemon alone whose scheduler works, and ends and restarts one whose scheduler hangs")
    func stalled() async throws {
        let service = try InstalledService.current
        let machine = service.machine
        // The folder is emptied by systemd when the service ends, so that the next process is well.
        let stall = "/run/pgcaretaker/stall"
        let cursor = try await service.restart(
            with: SchoolDatabase.configuration(SchoolDatabase.job("tokens", schedule: "*/2 * * * * *")),
            dropIn: "WatchdogSec=2s\nRestartSec=100ms\nEnvironment=PGCARETAKER_DEBUG_STALL_SCHEDULER=\(stall)")
        let first = try await service.mainProcess
        // Twice the watchdog's time and more.
        var last = cursor
        for _ in 1...3 { last = try await service.awaitEvent(.runSucceeded, of: "tokens", after: last).cursor }
        #expect(try await service.mainProcess == first)
        #expect(try await service.property("NRestarts") == "0")

        try await machine.push("", to: stall)
        let exit = try await machine.awaitEvent(.processExited, of: InstalledService.unit, after: last)
        // Aborted, and by nobody but the watchdog.
        #expect(exit["EXIT_CODE"] == "dumped" || exit["EXIT_CODE"] == "killed")
        #expect(exit["EXIT_STATUS"] == "6")
        let told = try await machine.journal("UNIT=\(InstalledService.unit)", after: last).map(\.message)
        #expect(told.contains { $0.contains("Watchdog timeout") }, "\(told)")
        try await machine.awaitEvent(.started, of: InstalledService.unit, after: exit.cursor)
        try await service.awaitEvent(.runSucceeded, of: "tokens", after: exit.cursor)
        #expect(try await service.property("NRestarts") == "1")
        #expect(try await service.mainProcess != first)
    }
}
