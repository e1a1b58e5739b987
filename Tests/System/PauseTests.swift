import Systemd
import Testing

/// What a person who pauses a job sees of the service.
@Suite("a paused job of the service", .serialized, .whereMachinesBoot, .installedService(), .timeLimit(.minutes(3)))
struct PauseTests {
    @Test("shows in STATUS at once and after a restart, until it is resumed")
    func status() async throws {
        let service = try InstalledService.current
        let machine = service.machine
        try await service.restart(with: SchoolDatabase.configuration(SchoolDatabase.job("sizes", schedule: rarely)))
        try await machine.demand("pgcaretaker", "pause", "sizes", "--for", "1h", "--reason", "exams")
        try await service.awaitStatus { $0.contains("paused: sizes") }
        try await machine.demand("systemctl", "restart", InstalledService.unit)
        try await service.awaitStatus { $0.contains("paused: sizes") }
        #expect(try await machine.demand("pgcaretaker", "jobs").contains("(exams)"))
        try await machine.demand("pgcaretaker", "resume", "sizes")
        try await service.awaitStatus { !$0.contains("paused") && $0.contains("next: sizes") }
        #expect(try await service.property("ActiveState") == "active")
        // What root says is written as the service's user, or the service could not write there any more.
        let owners = try await machine.demand("sh", "-c", "stat -c %U /var/lib/pgcaretaker/* | sort -u")
        #expect(owners == "pgcaretaker\n")
    }
}
