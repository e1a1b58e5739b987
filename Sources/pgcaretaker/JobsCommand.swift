import ArgumentParser
import Configuration
import Daemon
import Foundation
import History
import Report
import Schedule

struct JobsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs", abstract: "Every job: its schedule, its next fire, its last run.")

    @OptionGroup var file: ConfigurationOption
    @OptionGroup var json: JSONOption

    func run() async throws {
        let configuration = try file.load()
        let now = SystemJobClock().now()
        let (latest, pauses) =
            try await HistoryReader.read(configuration) { history throws(History.Failure) in
                (try await history.latestRuns(), try await history.pauses(at: now))
            } ?? ([:], [:])
        let lines = configuration.jobs.flatMap { job in
            job.databases.map { database in
                RunReports.JobLine(
                    job: job, database: database, nextFire: job.isEnabled ? job.schedule.next(after: now) : nil,
                    last: latest[JobKey(job: job.name, database: database)], pause: pauses[job.name])
            }
        }
        Terminal.say(json.isOn ? RunReports.json(lines).text : RunReports.table(lines, now: now))
    }
}

/// Reads the history of a configuration, if there is one yet.
enum HistoryReader {
    static func read<Value: Sendable>(
        _ configuration: Configuration, _ body: (History) async throws(History.Failure) -> Value
    ) async throws -> Value? {
        try Identity.stepDownToOwner(of: configuration.stateDirectory)
        let path = "\(configuration.stateDirectory)/history.db"
        guard FileManager.default.fileExists(atPath: path) else {
            // A folder that may not be looked into is not the same as one without a history.
            if FileManager.default.fileExists(atPath: configuration.stateDirectory),
                !FileManager.default.isReadableFile(atPath: configuration.stateDirectory)
            {
                throw Terminal.fail(
                    "\(configuration.stateDirectory) cannot be read", hint: "Run the command as root or as the service's user.",
                    status: 77)
            }
            return nil
        }
        do throws(History.Failure) {
            return try await body(try History(path: path, readOnly: true))
        } catch {
            throw Terminal.fail(Caretaker.failure(error))
        }
    }
}

struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Past runs with outcome and measures, newest first.")

    @OptionGroup var file: ConfigurationOption
    @OptionGroup var json: JSONOption
    @Option(help: "Only the runs of this job.") var job: String?
    @Option(help: "So many at most.") var limit = 50

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit wants a number from 1") }
    }

    func run() async throws {
        let configuration = try file.load()
        let runs =
            try await HistoryReader.read(configuration) { history throws(History.Failure) in
                try await history.runs(ofJob: job, limit: limit)
            } ?? []
        // The history may also have runs of jobs that are no longer configured.
        if let job, runs.isEmpty { _ = try configuration.demandJob(job) }
        if json.isOn {
            Terminal.say(RunReports.json(runs).text)
        } else {
            Terminal.say(runs.isEmpty ? "no run yet" : RunReports.table(runs, zone: configuration.zone))
        }
    }
}

struct TablesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tables", abstract: "Table sizes, with the change since a day and a week ago.")

    @OptionGroup var file: ConfigurationOption
    @OptionGroup var json: JSONOption

    func run() async throws {
        let configuration = try file.load()
        let now = SystemJobClock().now()
        let found =
            try await HistoryReader.read(configuration) {
                history throws(History.Failure) -> [(SizeSample, [RunReports.SizeLine])] in
                var found: [(SizeSample, [RunReports.SizeLine])] = []
                for database in try await history.sampledDatabases() {
                    guard let sample = try await history.sample(of: database, notAfter: now) else { continue }
                    let day = try await RunReports.sample(.seconds(86400), before: sample, in: history)
                    let week = try await RunReports.sample(.seconds(7 * 86400), before: sample, in: history)
                    found.append((sample, RunReports.sizes(sample, day: day, week: week)))
                }
                return found
            } ?? []
        if json.isOn {
            Terminal.say(JSONValue.array(found.flatMap { RunReports.json($0, $1) }).text)
        } else if found.isEmpty {
            Terminal.say("no sample yet; a job of kind table-sizes takes them")
        } else {
            for (sample, lines) in found { Terminal.say(RunReports.table(sample, lines, zone: configuration.zone)) }
        }
    }
}
