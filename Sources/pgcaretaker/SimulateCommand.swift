import ArgumentParser
import Configuration
import Daemon
import Foundation
import History
import Jobs
import Report
import Schedule
import Scheduler

struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract:
            "Play the configuration over some days, with the durations of the history, and show where jobs are in each other's way."
    )

    @OptionGroup var file: ConfigurationOption
    @OptionGroup var json: JSONOption
    @Option(help: "From this instant on, in RFC 3339; now without it.") var from: String?
    @Option(help: "How many days.") var days = 14

    func validate() throws {
        guard (1...3660).contains(days) else { throw ValidationError("--days wants a number from 1 to 3660") }
        if let from, Instant(rfc3339: from) == nil {
            throw ValidationError("--from wants an instant in RFC 3339, such as 2026-03-29T00:00:00Z, not \"\(from)\"")
        }
    }

    func run() async throws {
        let configuration = try file.load()
        let start = from.flatMap { Instant(rfc3339: $0) } ?? SystemJobClock().now()
        let end = start + .seconds(days * 86400)
        let known =
            try await HistoryReader.read(configuration) { history throws(History.Failure) in
                try await history.durations(limit: 20)
            } ?? [:]
        let durations = known.compactMapValues { SimulationReport.usual($0) }
        let simulation = Simulation(
            JobPlan.plans(of: configuration), durations: durations, maxParallel: configuration.maxParallelJobs, from: start,
            through: end)
        let backups = Set(configuration.jobs.filter { $0.kind == BackupJob.kind }.map(\.name))
        let report = SimulationReport(
            simulation, durations: durations, backups: backups, from: start, through: end, zone: configuration.zone)
        Terminal.say(json.isOn ? report.json.text : report.text)
    }
}
