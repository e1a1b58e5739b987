import Command
import Foundation
import Systemd
import Testing

/// What the service costs while it has nothing to do.
@Suite("the idle service", .serialized, .whereMachinesBoot, .installedService(), .timeLimit(.minutes(3)))
struct IdleTests {
    @Test("does not wake up between its fires, apart from the watchdog")
    func wakeUps() async throws {
        let service = try InstalledService.current
        let jobs = ["cleanup", "backup", "tokens", "sizes"]
        let configuration = { (schedule: String) in
            let jobs = jobs.map { SchoolDatabase.job($0, schedule: schedule) }
            return SchoolDatabase.configuration(jobs[0], jobs[1], jobs[2], jobs[3])
        }
        // What people install: linked statically, and for that without what the tests' own build has and needs.
        try await service.machine.demand(
            "install", "-m", "755", "/usr/src/pgcaretaker/.build/pgcaretaker", "/usr/bin/pgcaretaker")
        let libraries = try await service.machine.demand("ldd", "/usr/bin/pgcaretaker")
        #expect(!libraries.contains("swift") && !libraries.contains("dispatch") && !libraries.contains("not found"), "\(libraries)")
        let cursor = try await service.restart(with: configuration(rarely))
        let process = try await service.mainProcess
        // Work may leave something behind that does not come to rest.
        try await service.makeDueOnce(configuration)
        for job in jobs { try await service.awaitEvent(.runSucceeded, of: job, after: cursor) }
        let ping = try await service.property("WatchdogTimestampMonotonic")
        // Time itself is what is measured here. Every thread's switches, voluntary or not, once a second. The first
        // seconds are left out: threads that nobody needs any more end after five of them, and the deadlines of the
        // connections, which were met, pass after eleven.
        let samples = try await service.machine.demand(
            "sh", "-euc",
            """
            for second in $(seq 0 35); do
                cat /proc/\(process)/task/*/status | awk -v second=$second '
                    /_ctxt_switches:/ { switches += $2 } /^Pid:/ { threads += 1 } END { print second, threads, switches }'
                sleep 1
            done
            """
        ).split(separator: "\n").map { $0.split(separator: " ").compactMap { Int($0) } }
        let pings = try await service.property("WatchdogTimestampMonotonic") == ping ? 0 : 1
        let memory = try await service.machine.pull("/proc/\(process)/smaps_rollup")
        func kibibytes(_ name: String) -> Int {
            memory.split(separator: "\n").filter { $0.hasPrefix("\(name):") }
                .reduce(0) { $0 + (Int($1.filter(\.isNumber)) ?? 0) }
        }
        let settled = Array(samples.dropFirst(15))
        let wakeUps = zip(settled, settled.dropFirst()).filter { $0.dropFirst() != $1.dropFirst() }.count
        let switches = (settled.last?[2] ?? 0) - (settled.first?[2] ?? 0)
        print(
            "idle: \(wakeUps) wake-ups (\(switches) switches) in 20 s, \(kibibytes("Rss")) KiB resident,",
            "\(kibibytes("Anonymous")) KiB private,",
            "\(samples.last?[1] ?? 0) threads")

        #expect(kibibytes("Rss") < 40 << 10)
        // What belongs to no file. The pages of the program and its libraries are shared with who else runs them, and the kernel
        // may drop them; here they lie in memory, as the machine's whole disk does.
        #expect(kibibytes("Anonymous") < 8 << 10)
        #expect(samples.count == 36)
        // In 20 s there may be a sign of life for the watchdog, which is due every 45 s, and one wake-up for no reason.
        #expect(wakeUps <= 1 + pings, "\(samples)")
        // Several within one second would look like one.
        #expect(switches <= 10 * (1 + pings), "\(samples)")
        #expect(try await service.mainProcess == process)
    }
}
