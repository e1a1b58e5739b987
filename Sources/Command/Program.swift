/// One child process to be: what is run, with which arguments, and everything it may know.
///
/// Nothing is inherited. A password in our own environment must not reach a program that has no use for it, so the
/// environment given here is the whole of it; file descriptors other than the three standard ones are closed in the
/// child.
package struct Program: Sendable {
    /// The absolute path of the executable. It is not searched for: see ``ExecutableSearch``.
    package var executable: String
    /// The arguments after the program's own name.
    package var arguments: [String]
    /// The whole environment of the child.
    package var environment: [String: String]
    /// The user the child runs as; nil is the user we are. Another user than ours needs root.
    package var user: ProcessUser?
    /// The directory the child starts in; nil is ours.
    package var workingDirectory: String?
    /// How far the child stands back when processors are scarce: what is added to our own nice value, 0 to 19.
    package var niceness = 0

    /// Describes a child process; nothing is started or looked up yet.
    package init(
        executable: String,
        arguments: [String] = [],
        environment: [String: String] = [:],
        user: ProcessUser? = nil,
        workingDirectory: String? = nil,
        niceness: Int = 0
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.user = user
        self.workingDirectory = workingDirectory
        self.niceness = niceness
    }

    /// The last component of the executable's path: the name people know the program by.
    package var name: String {
        executable.split(separator: "/").last.map(String.init) ?? executable
    }
}
