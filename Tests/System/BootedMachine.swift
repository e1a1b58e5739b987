import Command
import Foundation

/// A Debian with a real systemd as its first process, booted for a test and gone after it.
///
/// It has PostgreSQL on a socket, a loopback network and nothing else, sees the repository read-only as
/// `/usr/src/pgcaretaker`, and shares neither file, port, process nor journal with this host. What it writes is lost
/// when it ends.
struct BootedMachine: Sendable {
    /// Its host name.
    let name: String
    /// The process id, on this host, of its systemd.
    let leader: Int32

    /// The machine of the suite that the current test belongs to; see ``MachineTrait``.
    static var current: BootedMachine {
        get throws {
            guard let machine = onLoan else { throw MachineError("this suite has no trait .machine") }
            return machine
        }
    }

    @TaskLocal static var onLoan: BootedMachine?

    /// Runs a command in the machine, as root unless said otherwise. A status other than 0 is a result, not an error.
    ///
    /// - Parameters:
    ///   - command: the program and its arguments; no shell is in between.
    ///   - input: what the command reads from its standard input.
    ///   - user: the user, of the machine, to run it as.
    ///   - deadline: how long it may take before it is ended and this throws.
    func run(
        _ command: [String], input: PipelineInput = .none, as user: String? = nil, deadline: Duration = .seconds(60)
    ) async throws -> CommandResult {
        let output = Collected()
        let errors = Collected()
        let result = try await pipeline(command, as: user, deadline: deadline).run(
            input: input, output: .stream { output.append($0) },
            onErrorLine: { _, line in errors.append(line + "\n") })
        return CommandResult(
            status: result.stages[0].termination.shellStatus, standardOutput: output.text,
            standardError: errors.text)
    }

    /// Runs a command in the machine; see ``run(_:input:as:deadline:)``.
    func run(_ command: String..., as user: String? = nil) async throws -> CommandResult {
        try await run(command, as: user)
    }

    /// Runs a command that has to succeed, and gives its standard output. Throws ``CommandFailure`` otherwise.
    @discardableResult
    func demand(
        _ command: [String], input: PipelineInput = .none, as user: String? = nil, deadline: Duration = .seconds(60)
    ) async throws -> String {
        let result = try await run(command, input: input, as: user, deadline: deadline)
        guard result.status == 0 else { throw CommandFailure(command: command, result: result) }
        return result.standardOutput
    }

    /// Runs a command that has to succeed; see ``demand(_:input:as:deadline:)``.
    @discardableResult
    func demand(_ command: String..., as user: String? = nil) async throws -> String {
        try await demand(command, as: user)
    }

    /// Runs SQL as PostgreSQL's superuser and gives its rows, one a line, columns separated by `|`. Has to succeed.
    @discardableResult
    func sql(_ statements: String, in database: String = "postgres") async throws -> String {
        let psql = ["psql", "--no-psqlrc", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"]
        return try await demand(psql, input: .bytes(Array(statements.utf8)), as: "postgres")
            .trimmingCharacters(in: .newlines)
    }

    /// Starts the machine's PostgreSQL and returns once it accepts connections. Does nothing if it runs.
    func startPostgreSQL() async throws {
        try await demand(
            "sh", "-euc", "for version in $(ls /usr/lib/postgresql); do systemctl start postgresql@$version-main; done")
    }

    /// Stops the machine's PostgreSQL, breaking all connections.
    func stopPostgreSQL() async throws {
        try await demand("systemctl", "stop", "postgresql@*-main.service")
    }

    /// A property of a unit, as `systemctl show` prints it.
    func property(_ property: String, of unit: String) async throws -> String {
        try await demand("systemctl", "show", "--value", "--property", property, unit)
            .trimmingCharacters(in: .newlines)
    }

    /// Installs the program under test as its users do, by "make install", and gives what that printed.
    ///
    /// The debug build, linked with Swift's shared libraries, unless another program is given.
    @discardableResult
    func install(_ program: String = MachineEnvironment.program, prefix: String = "/usr") async throws -> String {
        try await push(file: program, to: "/root/pgcaretaker", mode: "755")
        return try await demand(
            "make", "-C", "/usr/src/pgcaretaker", "install", "PREFIX=\(prefix)", "BINARY=/root/pgcaretaker")
    }

    /// A pipeline of one command in all of the machine's namespaces.
    ///
    /// nsenter has to outlive the command when both are sent SIGTERM: the command would become a child of this host's
    /// first process, and the machine cannot end before that has taken note of it, which in a container may be never.
    func pipeline(_ command: [String], as user: String? = nil, deadline: Duration?) -> Pipeline {
        let nsenter = ["--ignore-signal=TERM", "nsenter", "--target", String(leader), "--all", "--"]
        let setUp = ["env", "--default-signal=TERM"] + (user.map { ["runuser", "-u", $0, "--"] } ?? [])
        return Pipeline(
            [
                Program(
                    executable: "/usr/bin/env", arguments: nsenter + setUp + command,
                    environment: MachineEnvironment.variables)
            ], deadline: deadline)
    }
}

/// The machine could not be booted, or did not do what it was waited for.
struct MachineError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

extension Termination {
    /// The status that a shell would give.
    fileprivate var shellStatus: Int32 {
        switch self {
        case .exited(let status): status
        case .signalled(let signal): 128 + signal
        }
    }
}
