import ArgumentParser
import Configuration
import Daemon
import Foundation
import Jobs
import Logging
import Report
import Schedule

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Validate the configuration; unless --offline, also against the databases.")

    @OptionGroup var file: ConfigurationOption
    @OptionGroup var json: JSONOption
    @Flag(help: "Look at the files only.") var offline = false
    @Flag(help: "Say nothing when all is well.") var quiet = false

    func run() async throws {
        let configuration: Configuration
        do throws(ConfigurationErrors) {
            configuration = try ConfigurationLoader(path: file.path, environment: ProcessInfo.processInfo.environment).load()
        } catch {
            report(error.problems, [])
            throw ExitCode(78)
        }
        var found: [(job: String, database: String, finding: Finding)] = []
        if !offline {
            try Identity.stepDownToOwner(of: configuration.stateDirectory)
            found += await coordinationFindings(configuration)
            for job in configuration.jobs {
                for name in job.databases {
                    guard let database = configuration.databases[name] else { continue }
                    let context = CheckContext.context(of: job, on: database)
                    do throws(JobError) {
                        found += try await job.job.findings(in: context).map { (job.name, name, $0) }
                    } catch {
                        found.append((job.name, name, .error(error)))
                    }
                }
            }
        }
        report(configuration.warnings, found)
        if let status = Self.status(found.map(\.finding)) { throw ExitCode(status) }
        if !quiet, !json.isOn {
            let jobs = configuration.jobs.count
            Terminal.say(
                "\(configuration.files.count == 1 ? file.path : "\(configuration.files.count) files"): valid, \(jobs) \(jobs == 1 ? "job" : "jobs")"
            )
            for job in configuration.jobs {
                Terminal.say("  \(job.name): \(job.kind), \(job.schedule.summary)")
            }
        }
    }

    private func coordinationFindings(
        _ configuration: Configuration
    ) async -> [(job: String, database: String, finding: Finding)] {
        guard let coordinator = Coordinator.demanded(by: configuration, clock: SystemJobClock()) else { return [] }
        var found: [(job: String, database: String, finding: Finding)] = []
        for database in configuration.databases.values.sorted(by: { $0.name < $1.name }) {
            do throws(JobError) {
                found += try await coordinator.findings(on: database).map { ("coordination", database.name, $0) }
            } catch {
                found.append(("coordination", database.name, .error(error)))
            }
        }
        return found
    }

    /// What to exit with: without a database nothing can be told of the rest, and rights are worth granting only once the
    /// configuration is right. `nil` if nothing is wrong.
    static func status(_ findings: [Finding]) -> Int32? {
        let statuses = Set(findings.filter { $0.severity == .error }.map { $0.code.exitStatus == 1 ? 78 : $0.code.exitStatus })
        return [69, 78, 77].first(where: statuses.contains) ?? statuses.min()
    }

    private func report(_ problems: [ConfigurationProblem], _ found: [(job: String, database: String, finding: Finding)]) {
        if json.isOn {
            let fromFile: [JSONValue] = problems.map {
                .object([
                    ("file", .text($0.location.file)), ("line", $0.location.line > 0 ? .integer($0.location.line) : .null),
                    ("key", .optional($0.key)), ("job", .null), ("database", .null),
                    ("severity", .text($0.isWarning ? "warning" : "error")), ("message", .text($0.reason)),
                    ("hint", .optional($0.hint)),
                ])
            }
            let fromDatabase: [JSONValue] = found.map {
                .object([
                    ("file", .null), ("line", .null), ("key", .null), ("job", .text($0.job)), ("database", .text($0.database)),
                    ("severity", .text($0.finding.severity.rawValue)), ("message", .text($0.finding.message)),
                    ("hint", .optional($0.finding.hint)),
                ])
            }
            Terminal.say(JSONValue.array(fromFile + fromDatabase).text)
            return
        }
        for problem in problems { Terminal.complain("\(problem)") }
        for (job, database, finding) in found {
            Terminal.complain("\(job) on \(database): \(finding.severity == .warning ? "warning: " : "")\(finding.message)")
            if let hint = finding.hint { Terminal.complain("  HINT: \(hint)") }
        }
    }
}

/// A context for looking: no history is needed, and none is made.
enum CheckContext {
    static func context(of job: JobConfiguration, on database: DatabaseAccess) -> JobContext {
        JobContext(
            job: job.name, runID: "", database: database, logger: Logger(label: "check") { _ in SwiftLogNoOpLogHandler() },
            clock: SystemJobClock(), deadline: nil, isDryRun: true, progress: .none, sizes: NoSamples(),
            privateDirectory: FileManager.default.temporaryDirectory.path,
            childEnvironment: ChildEnvironment.filtered(ProcessInfo.processInfo.environment), zone: job.schedule.zone)
    }
}
