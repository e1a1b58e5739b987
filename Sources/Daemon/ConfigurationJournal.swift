import Configuration
import Logging
import Systemd

/// What the journal says of the configuration.
enum ConfigurationJournal {
    static func refused(_ errors: ConfigurationErrors, isReload: Bool, logger: Logger) {
        for problem in errors.problems where !problem.isWarning {
            logger.error("\(problem)", metadata: metadata(problem, .configurationRefused))
        }
        if isReload {
            logger.error(
                "the new configuration is refused; the old one stays in force",
                metadata: ["event": "\(JournalEvent.configurationRefused.rawValue)"])
        }
    }

    static func warnings(_ configuration: Configuration, logger: Logger) {
        for problem in configuration.warnings {
            logger.warning("\(problem)", metadata: metadata(problem, .configurationWarning))
        }
    }

    static func reloaded(_ changes: ConfigurationChanges, logger: Logger) {
        logger.info(
            "configuration reloaded: \(changes.sentence)",
            metadata: ["event": "\(JournalEvent.configurationReloaded.rawValue)"])
        if !changes.needsRestart.isEmpty {
            logger.warning(
                "a restart is needed for \(changes.needsRestart.joined(separator: ", "))",
                metadata: ["event": "\(JournalEvent.configurationWarning.rawValue)"])
        }
    }

    private static func metadata(_ problem: ConfigurationProblem, _ event: JournalEvent) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "event": "\(event.rawValue)", "config_file": "\(problem.location.file)",
            "config_line": "\(problem.location.line)",
        ]
        if let key = problem.key { metadata["config_key"] = "\(key)" }
        return metadata
    }
}
