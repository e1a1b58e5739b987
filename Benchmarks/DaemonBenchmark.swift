import Foundation
import Glibc

/// What the daemon costs while it has nothing to do, and how soon it is ready.
struct DaemonBenchmark {
    let arena: Arena
    let idleSeconds: Int

    private static let watchdog = Duration.seconds(90)
    private static let starts = 10
    /// Threads that the start needed have gone by then, and its last timers have fired: that of the login after 11 s.
    private static let settling = Duration.seconds(15)

    func measure() async throws -> Section {
        var times = Times()
        let configuration = try arena.configure("daemon", database: "postgres")
        Console.note("daemon: \(Self.starts) starts")
        for _ in 1...Self.starts {
            let daemon = try start(configuration, folder: "daemon", watchdog: Self.watchdog)
            let result: Result<Duration, any Error>
            do { result = .success(try await Blocking.run { try daemon.waitUntilReady() }) } catch { result = .failure(error) }
            try await Blocking.run { try daemon.end() }
            times.add(try result.get())
        }
        let watched = try await idle("watched", watchdog: Self.watchdog)
        return section(times, watched)
    }

    private func start(_ configuration: String, folder: String, watchdog: Duration?) throws -> ServiceProcess {
        let folder = "\(arena.folder)/\(folder)"
        return try ServiceProcess(
            arena.program, ["daemon", "--config", configuration], environment: arena.environment, watchdog: watchdog,
            log: "\(folder)/log", folder: folder)
    }

    private struct Idle {
        var resident: Int64 = 0
        var ours: Int64 = 0
        /// Per minute, of the daemon with a watchdog to feed.
        var watched = 0.0
        /// Per minute, of the daemon without.
        var unwatched = 0.0
    }

    /// Watches two daemons at once: the difference between them is what the watchdog costs.
    private func idle(_ name: String, watchdog: Duration) async throws -> Idle {
        let watched = try start(try arena.configure("watched", database: "postgres"), folder: "watched", watchdog: watchdog)
        let unwatched: ServiceProcess
        do {
            unwatched = try start(try arena.configure("unwatched", database: "postgres"), folder: "unwatched", watchdog: nil)
        } catch {
            try? watched.end()
            throw error
        }
        let result: Result<Idle, any Error>
        do { result = .success(try await look(watched, unwatched)) } catch { result = .failure(error) }
        for daemon in [watched, unwatched] { try await Blocking.run { try daemon.end() } }
        return try result.get()
    }

    private func look(_ watched: ServiceProcess, _ unwatched: ServiceProcess) async throws -> Idle {
        for daemon in [watched, unwatched] { _ = try await Blocking.run { try daemon.waitUntilReady() } }
        try await Task.sleep(for: Self.settling)
        Console.note("daemon: watching it do nothing for \(idleSeconds) s")
        var counts = [try WakeUpCount(processID: watched.processID), try WakeUpCount(processID: unwatched.processID)]
        let begin = ContinuousClock.now
        for second in 1...idleSeconds {
            try await Task.sleep(until: begin + .seconds(second), tolerance: .zero, clock: .continuous)
            for index in counts.indices { try counts[index].look() }
        }
        let minutes = begin.duration(to: .now) / .seconds(60)
        let figures = ProcessFigures(processID: watched.processID)
        return Idle(
            resident: try figures.residentMemory(), ours: try figures.privateMemory(),
            watched: Double(counts[0].total) / minutes, unwatched: Double(counts[1].total) / minutes)
    }

    private func section(_ times: Times, _ idle: Idle) -> Section {
        var section = Section(
            .daemon, "four jobs, nothing due",
            columns: [.init(key: "figure", title: "FIGURE"), .init(key: "value", title: "VALUE")])
        section.add(.text("from exec to READY=1, median of \(times.seconds.count)"), .number(times.median, Self.milliseconds))
        section.add(.text("from exec to READY=1, longest"), .number(times.longest, Self.milliseconds))
        section.add(.text("resident memory"), .bytes(idle.resident))
        section.add(.text("of it private"), .bytes(idle.ours))
        section.add(.text("wake-ups a minute, with a watchdog of 90 s"), .number(idle.watched, Self.count))
        section.add(.text("wake-ups a minute, without"), .number(idle.unwatched, Self.count))
        section.aim(
            "ready within 150 ms", measured: "\(Self.milliseconds(times.median)), at most \(Self.milliseconds(times.longest))",
            isReached: times.median <= 0.15)
        section.aim("resident memory under 40 MB", measured: Number.megabytes(idle.resident), isReached: idle.resident < 40_000_000)
        section.aim("private memory under 8 MB", measured: Number.megabytes(idle.ours), isReached: idle.ours < 8_000_000)
        section.aim(
            "at most two wake-ups a minute beyond the watchdog's", measured: Self.count(idle.unwatched),
            isReached: idle.unwatched <= 2)
        section.note("Wake-ups are context switches of all threads; two daemons are watched, one of them without a watchdog.")
        return section
    }

    private static func milliseconds(_ seconds: Double) -> String { Number.milliseconds(seconds * 1000) }

    private static func count(_ value: Double) -> String { Number.plain(value) }
}
