import ArgumentParser
import Configuration
import Daemon
import Foundation
import Logging
import UnixSignals

struct DaemonCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "daemon", abstract: "Run the scheduler in the foreground, as systemd starts it.")

    @OptionGroup var file: ConfigurationOption

    func run() async throws {
        // Before anything else: a signal that comes early must not end the process.
        let signals = await UnixSignalsSequence(trapping: .sighup, .sigterm, .sigint, .sigusr1)
        let environment = ProcessInfo.processInfo.environment
        // A file that cannot be read is told by the daemon itself, at the default level.
        let level = (try? ConfigurationLoader(path: file.path, environment: environment).load())?.level ?? .info
        let daemon = ServiceDaemon(
            configurationPath: file.path, environment: environment, logger: CommandLog.logger(level: level))
        let status = await daemon.run(signals)
        if status != 0 { throw ExitCode(status) }
    }
}
