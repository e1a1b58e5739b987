/// How a command in a machine ended, and what it said.
struct CommandResult: Sendable, Hashable {
    /// The exit status; 128 and the signal's number if a signal ended it, as in a shell.
    var status: Int32
    /// All of its standard output.
    var standardOutput: String
    /// All of its standard error.
    var standardError: String
}

/// A command that had to succeed did not.
struct CommandFailure: Error, CustomStringConvertible {
    var command: [String]
    var result: CommandResult

    var description: String {
        """
        "\(command.joined(separator: " "))" ended with status \(result.status)
        \(result.standardOutput)\(result.standardError)
        """
    }
}
