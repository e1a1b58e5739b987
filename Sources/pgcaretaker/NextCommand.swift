import ArgumentParser
import Configuration
import Daemon
import Foundation
import Report
import Schedule

struct NextCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "next", abstract: "The next fires of a job, of a schedule, or of every job.")

    @OptionGroup var file: ConfigurationOption
    @OptionGroup var json: JSONOption
    @Argument(help: "The job.") var job: String?
    @Option(help: "A cron expression instead of a job.") var schedule: String?
    @Option(help: "The zone of --schedule; the host's without it.") var timezone: String?
    @Option(help: "Fires strictly after this instant, in RFC 3339; now without it.") var after: String?
    @Option(help: "How many fires.") var count = 5
    @Flag(help: "Instead of fires, the changes of the zone's offset in the next 24 months, and what becomes of the fires there.")
    var transitions = false

    func validate() throws {
        guard (1...100_000).contains(count) else { throw ValidationError("--count wants a number from 1 to 100000") }
        guard job == nil || schedule == nil else { throw ValidationError("give a job or --schedule, not both") }
        guard timezone == nil || schedule != nil else { throw ValidationError("--timezone goes with --schedule") }
        if let after, Instant(rfc3339: after) == nil {
            throw ValidationError("--after wants an instant in RFC 3339, such as 2026-03-29T00:00:00Z, not \"\(after)\"")
        }
    }

    func run() async throws {
        let start = after.flatMap { Instant(rfc3339: $0) } ?? SystemJobClock().now()
        if let schedule {
            let parsed = try parsed(schedule)
            for warning in parsed.expression.warnings { Terminal.complain("warning: \(warning.message), \(warning.hint)") }
            if transitions { return show(ZoneChangesReport(of: [(nil, parsed)], after: start)) }
            let fires = fires(of: parsed, after: start)
            Terminal.say(json.isOn ? fires.json.text : fires.text)
            return
        }
        let configuration = try file.load()
        if let job {
            guard let found = configuration.job(named: job) else {
                let nearest = Nearest.word(to: job, among: configuration.jobs.map(\.name))
                throw Terminal.fail(
                    "there is no job \"\(job)\"", hint: nearest.map { "Did you mean \($0)?" } ?? "See pgcaretaker jobs.", status: 64
                )
            }
            if transitions { return show(ZoneChangesReport(of: [(job, found.schedule)], after: start)) }
            let fires = fires(of: found.schedule, after: start)
            Terminal.say(json.isOn ? fires.json.text : fires.text)
            return
        }
        let enabled = configuration.jobs.filter(\.isEnabled)
        if transitions { return show(ZoneChangesReport(of: enabled.map { ($0.name, $0.schedule) }, after: start)) }
        let all = enabled.map { ($0, fires(of: $0.schedule, after: start)) }
        if json.isOn {
            Terminal.say(JSONValue.array(all.map { $1.json(job: $0.name) }).text)
        } else {
            for (job, fires) in all { Terminal.say("\(job.name): \(fires.text)") }
        }
    }

    private func show(_ report: ZoneChangesReport) {
        Terminal.say(json.isOn ? report.json.text : report.text)
    }

    private func parsed(_ text: String) throws -> ZonedSchedule {
        let zones = ZoneFiles()
        let expression: CronExpression
        do throws(CronExpressionError) {
            expression = try CronExpression(text)
        } catch {
            throw Terminal.fail(error.message, hint: error.accepted, status: 64)
        }
        do throws(ZoneFiles.Failure) {
            let zone = if let timezone { try zones.rules(named: timezone) } else { try zones.hostRules() }
            return ZonedSchedule(expression: expression, zone: zone)
        } catch {
            throw Terminal.fail(error.reason, hint: error.hint, status: 64)
        }
    }

    private struct Fires {
        let schedule: ZonedSchedule
        let instants: [Instant]

        var json: JSONValue { .object(fields) }

        func json(job: String) -> JSONValue { .object([("job", .text(job))] + fields) }

        private var fields: [(String, JSONValue)] {
            [
                ("schedule", .text(schedule.expression.text)), ("timezone", .text(schedule.zone.identifier)),
                ("fires", .array(instants.map { .text($0.rfc3339(in: schedule.zone)) })),
            ]
        }

        var text: String {
            schedule.summary + "\n"
                + instants.map { "  \($0.rfc3339(in: schedule.zone))\n" }.joined()
        }
    }

    private func fires(of schedule: ZonedSchedule, after start: Instant) -> Fires {
        var instants: [Instant] = []
        var last = start
        while instants.count < count, let next = schedule.next(after: last) {
            instants.append(next)
            last = next
        }
        return Fires(schedule: schedule, instants: instants)
    }
}

extension ZonedSchedule {
    /// The expression, its zone, its class and its meaning in one line.
    var summary: String {
        "\"\(expression.text)\" in \(zone.identifier) (\(expression.scheduleClass.rawValue)): \(expression.words)"
    }
}
