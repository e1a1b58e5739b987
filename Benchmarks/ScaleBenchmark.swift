import Foundation
import Glibc
import History
import Schedule

/// What ten thousand jobs cost the daemon: to start with them, and while one of them is due every second.
struct ScaleBenchmark {
    let arena: Arena
    let seconds: Int

    private static let jobs = 10_000
    /// Between the making of the configuration and the first fire: the start must be over by then.
    private static let lead = 10

    func measure() async throws -> Section {
        let folder = "\(arena.folder)/scale"
        let configuration = try arena.configure("scale", database: "postgres")
        try text(folder: folder).write(toFile: configuration, atomically: false, encoding: .utf8)
        chmod(configuration, 0o600)
        Console.note("scale: \(Self.jobs) jobs, one due every second for \(seconds) s")
        let daemon = try ServiceProcess(
            arena.program, ["daemon", "--config", configuration], environment: arena.environment, watchdog: nil,
            log: "\(folder)/log", folder: folder)
        let result: Result<(ready: Duration, share: Double, resident: Int64), any Error>
        do {
            let ready = try await Blocking.run { try daemon.waitUntilReady() }
            try await Task.sleep(for: .seconds(Self.lead + 5))
            let figures = ProcessFigures(processID: daemon.processID)
            let (begin, before) = (ContinuousClock.now, try figures.processorTime())
            try await Task.sleep(for: .seconds(seconds))
            let used = try figures.processorTime() - before
            result = .success((ready, used / begin.duration(to: .now), try figures.residentMemory()))
        } catch {
            result = .failure(error)
        }
        try await Blocking.run { try daemon.end() }
        let (ready, share, resident) = try result.get()
        let history = try History(path: "\(folder)/state/history.db", readOnly: true)
        let lateness = try await history.runs(limit: Self.jobs).compactMap { run in
            run.scheduledAt.map { (run.startedAt - $0) / .milliseconds(1) }
        }
        return section(ready: ready / .seconds(1), share: share, resident: resident, lateness: lateness)
    }

    /// Jobs that are due one after the other, each once a day.
    private func text(folder: String) -> String {
        let start = Int(Foundation.time(nil)) + Self.lead
        let jobs = (0..<Self.jobs).map { number in
            let time = (start + number) % 86400
            return
                "[jobs.j\(number)]\nkind = \"table-sizes\"\nschedule = \"\(time % 60) \(time / 60 % 60) \(time / 3600) * * *\"\ncatch_up = false\n"
        }
        return
            "timezone = \"UTC\"\nstate_directory = \"\(folder)/state\"\n[database]\nurl = \"\(arena.connectionString("postgres"))\"\n"
            + jobs.joined()
    }

    private func section(ready: Double, share: Double, resident: Int64, lateness: [Double]) -> Section {
        var section = Section(
            .scale, "\(Self.jobs) jobs, one due every second",
            columns: [.init(key: "figure", title: "FIGURE"), .init(key: "value", title: "VALUE")])
        let late = Percentile.of(lateness, 99)
        section.add(.text("from exec to READY=1"), .number(ready, Number.seconds))
        section.add(.text("share of one processor"), .number(share, Self.percent))
        section.add(.text("runs"), .count(lateness.count))
        section.add(.text("lateness of a run, 99th percentile"), .number(late, Number.milliseconds))
        section.add(.text("resident memory"), .bytes(resident))
        section.aim("ready within 1 s", measured: Number.seconds(ready), isReached: ready < 1)
        section.aim("less than 1 % of a processor", measured: Self.percent(share), isReached: share < 0.01)
        section.aim("99 of 100 runs less than 50 ms late", measured: Number.milliseconds(late), isReached: late < 50)
        section.note("Each run measures the tables of a small database, and is recorded before and after with a sync of the disk.")
        return section
    }

    private static func percent(_ share: Double) -> String { "\(Number.plain(share * 100)) %" }
}
