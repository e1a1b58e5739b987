import ArgumentParser
import Configuration
import Daemon
import Foundation
import History
import Jobs
import Logging
import Report
import Schedule
import UnixSignals

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run one job now, in this process, under the same locks as the daemon.")

    @OptionGroup var file: ConfigurationOption
    @OptionGroup var json: JSONOption
    @Argument(help: "The job.") var job: String
    @Flag(help: "Say what would be done, and do nothing.") var dryRun = false
    @Option(help: "Only on this of the job's databases.") var database: String?

    func run() async throws {
        let configuration = try file.load()
        let found = try configuration.demandJob(job)
        guard database.map(found.databases.contains) ?? true else {
            throw Terminal.fail(
                "the job \(job) does not work on a database \"\(database ?? "")\"",
                hint: "It works on \(found.databases.joined(separator: ", ")).", status: 64)
        }
        try Identity.stepDownToOwner(of: configuration.stateDirectory)
        let logger = CommandLog.logger(level: max(configuration.level, .warning))
        let caretaker: Caretaker
        do throws(Caretaker.Failure) {
            caretaker = try Caretaker(
                stateDirectory: configuration.stateDirectory, environment: ProcessInfo.processInfo.environment, logger: logger)
        } catch {
            throw Terminal.fail(error)
        }
        let supervisor = RunSupervisor(
            caretaker: caretaker, coordinator: Coordinator.demanded(by: configuration, clock: caretaker.clock))
        let databases = found.databases.filter { database == nil || $0 == database }.compactMap { configuration.databases[$0] }
        // Before anything begins; SIGHUP comes when the terminal goes.
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
        let work = Task {
            var endings: [RunSupervisor.Ending] = []
            for database in databases where !Task.isCancelled {
                let progress = ProgressLine(name: found.name)
                let ending = await supervisor.run(
                    found, on: database, trigger: .manual, fire: nil, isDryRun: dryRun, progress: progress.sink)
                progress.clear()
                endings.append(ending)
            }
            return endings
        }
        let interruption = Task {
            for await _ in signals { work.cancel() }
        }
        let endings = await work.value
        interruption.cancel()
        if json.isOn {
            Terminal.say(RunReports.json(endings.map(\.record)).text)
        } else {
            for ending in endings where ending.record.outcome == .succeeded {
                let record = ending.record
                let took = record.endedAt.map { ", in \(HumanText.duration($0 - record.startedAt))" } ?? ""
                Terminal.say(
                    "\(record.key.job)\(databases.count > 1 ? " on \(record.key.database)" : ""): \(record.message ?? "")\(took)")
                for warning in record.warnings { Terminal.complain("warning: \(warning)") }
            }
        }
        if let status = endings.map({ status(of: $0) }).max(), status != 0 { throw ExitCode(status) }
    }

    private func status(of ending: RunSupervisor.Ending) -> Int32 {
        let record = ending.record
        switch record.outcome {
        case .succeeded: return 0
        case .skipped:
            return Terminal.fail(
                "\(record.key.job) was not run: \(record.message ?? "")", hint: "Try again when it has ended.", status: 75
            ).rawValue
        case .cancelled: return Terminal.fail("\(record.key.job) was cancelled", status: 1).rawValue
        case .failed, nil:
            let error = JobError(record.errorCode.flatMap(JobError.Code.init) ?? .unexpected, "")
            return Terminal.fail(
                "\(record.key.job) failed: \(record.message ?? "")", hint: record.hint, details: ending.details,
                status: ending.wasNotBegun ? 75 : error.exitStatus
            ).rawValue
        }
    }
}
