import ArgumentParser
import Configuration
import Daemon
import Foundation
import History
import Jobs
import Logging
import Schedule

struct PauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Keep a job from running by its schedule; it survives restarts.")

    @OptionGroup var file: ConfigurationOption
    @Argument(help: "The job.") var job: String
    @Option(name: .customLong("for"), help: "How long, such as 2h; without it, until it is resumed.") var duration: String?
    @Option(help: "Why, for those who look at it later.") var reason: String?

    func validate() throws {
        if let duration, DurationText.parse(duration) == nil {
            throw ValidationError("--for wants a duration such as 30m, 2h or 3d, not \"\(duration)\"")
        }
    }

    func run() async throws {
        let configuration = try file.load()
        let found = try configuration.demandJob(job)
        let now = SystemJobClock().now()
        let until = duration.flatMap { DurationText.parse($0) }.map { now + $0 }
        try await HistoryWriter.write(configuration) { history throws(History.Failure) in
            try await history.pause(Pause(job: found.name, since: now, until: until, reason: reason))
        }
        let end = until.map { "until \($0.wallTime(in: configuration.zone))" } ?? "until it is resumed"
        Terminal.say("\(found.name) is paused \(end); a run that is going is not touched")
    }
}

struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Let a paused job run again, or one that is held because the clock went back.")

    @OptionGroup var file: ConfigurationOption
    @Argument(help: "The job.") var job: String

    func run() async throws {
        let configuration = try file.load()
        let found = try configuration.demandJob(job)
        let now = SystemJobClock().now()
        let isDestructive = type(of: found.job).isDestructive
        let (wasPaused, distrusted) = try await HistoryWriter.write(configuration) { history throws(History.Failure) in
            (
                try await history.resume(found.name, at: now),
                isDestructive ? try await history.distrustFires(after: now) : 0
            )
        }
        if distrusted > 0 {
            Terminal.say("the clock is taken for right: jobs that delete are no longer held for it")
        }
        Terminal.say(
            wasPaused ? "\(found.name) runs by its schedule again" : distrusted > 0 ? "" : "\(found.name) was not paused")
    }
}

extension Configuration {
    /// The job of that name; a person who got it wrong is told the nearest.
    func demandJob(_ name: String) throws -> JobConfiguration {
        if let found = job(named: name) { return found }
        let nearest = Nearest.word(to: name, among: jobs.map(\.name))
        throw Terminal.fail(
            "there is no job \"\(name)\"", hint: nearest.map { "Did you mean \($0)?" } ?? "See pgcaretaker jobs.", status: 64)
    }
}

/// Writes into the history of a configuration, and lets a daemon that works on it know.
enum HistoryWriter {
    static func write<Value: Sendable>(
        _ configuration: Configuration, _ body: (History) async throws(History.Failure) -> Value
    ) async throws -> Value {
        try Identity.stepDownToOwner(of: configuration.stateDirectory)
        let caretaker: Caretaker
        do throws(Caretaker.Failure) {
            caretaker = try Caretaker(
                stateDirectory: configuration.stateDirectory, environment: ProcessInfo.processInfo.environment,
                logger: CommandLog.logger(level: max(configuration.level, .warning)))
        } catch {
            throw Terminal.fail(error)
        }
        do throws(History.Failure) {
            let value = try await body(caretaker.history)
            caretaker.tellDaemon()
            return value
        } catch {
            throw Terminal.fail(Caretaker.failure(error))
        }
    }
}
