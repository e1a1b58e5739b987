import ArgumentParser

/// The one executable.
@main
struct Pgcaretaker: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pgcaretaker",
        abstract: "The caretaker of an application's PostgreSQL database.",
        discussion: """
            Deletes old rows, backs up and proves it, clears expired reset tokens and watches how tables grow, at the times \
            that the configuration gives. systemd starts it as "pgcaretaker daemon"; the other commands look at it or do one \
            thing now.
            """,
        version: "0.1.0",
        subcommands: [
            DaemonCommand.self, CheckCommand.self, JobsCommand.self, NextCommand.self, RunCommand.self,
            PauseCommand.self, ResumeCommand.self, HistoryCommand.self, WhyCommand.self, SimulateCommand.self, BackupsCommand.self,
            TablesCommand.self, TryCommand.self,
        ])
}
