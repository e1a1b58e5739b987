import ArgumentParser
import Glibc

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

    static func main() async {
        fillStandardDescriptors()
        await main(nil)
    }

    /// Where standard input, output or error is closed, the next file to be opened would take its place, a lock or a dump, and
    /// get what is meant for people.
    private static func fillStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free one is the one that is closed.
            _ = open("/dev/null", O_RDWR)
        }
    }
}
