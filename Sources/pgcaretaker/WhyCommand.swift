import ArgumentParser
import Configuration
import Daemon
import Foundation
import History
import Report
import Schedule

struct WhyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why", abstract: "What became of a fire of a job, and why.")

    @OptionGroup var file: ConfigurationOption
    @OptionGroup var json: JSONOption
    @Argument(help: "The job.") var job: String
    @Argument(help: "The instant in RFC 3339, or a local time in the job's zone: \"2026-03-29 02:00\".") var instant: String
    @Option(help: "Only on this of the job's databases.") var database: String?

    func run() async throws {
        let configuration = try file.load()
        let found = try configuration.demandJob(job)
        guard let instant = Self.instant(instant, in: found.schedule.zone) else {
            throw Terminal.fail(
                "\"\(instant)\" is no instant",
                hint: "Write it as 2026-03-29T02:00:00Z, or as \"2026-03-29 02:00\" in the job's zone.",
                status: 64)
        }
        guard database.map(found.databases.contains) ?? true else {
            throw Terminal.fail(
                "the job \(job) does not work on a database \"\(database ?? "")\"",
                hint: "It works on \(found.databases.joined(separator: ", ")).", status: 64)
        }
        let now = SystemJobClock().now()
        var answers: [FireStory] = []
        for name in found.databases where database == nil || name == database {
            let key = JobKey(job: found.name, database: name)
            let known = try await HistoryReader.read(configuration) { history throws(History.Failure) in
                (try await history.records(of: key, at: instant), try await history.firstSeen(key))
            }
            answers.append(
                FireStory(
                    key: key, isEnabled: found.isEnabled, schedule: found.schedule, instant: instant, records: known?.0 ?? [],
                    firstSeen: known?.1, now: now))
        }
        if json.isOn {
            Terminal.say(JSONValue.array(answers.map(\.json)).text)
        } else {
            for answer in answers { Terminal.say((answers.count > 1 ? "\(answer.key.database): " : "") + answer.sentence) }
        }
    }

    /// An instant as people give it.
    static func instant(_ text: String, in zone: ZoneRules) -> Instant? {
        if let instant = Instant(rfc3339: text) { return instant }
        // A minute is enough for most schedules.
        for suffix in ["Z", ":00Z"] {
            guard let wall = Instant(rfc3339: text + suffix) else { continue }
            return zone.instant(ofLocal: wall.secondsSinceEpoch)
        }
        return nil
    }
}
