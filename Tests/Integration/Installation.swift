import Command
import Foundation
import Glibc
import Postgres
import Synchronization
import TestSupport

/// What a command answered.
struct Answer: Sendable, CustomStringConvertible {
    /// The exit status, or 128 and the signal as a shell has it.
    let status: Int32
    /// Standard output.
    let output: String
    /// Standard error.
    let errors: String

    var description: String { "status \(status)\n--- output\n\(output)--- errors\n\(errors)" }

    /// The one JSON value on standard output.
    func json() throws -> Any { try JSONSerialization.jsonObject(with: Data(output.utf8), options: .fragmentsAllowed) }

    /// The list of objects on standard output.
    func objects() throws -> [[String: Any]] {
        guard let list = try json() as? [[String: Any]] else { throw NotAList(output: output) }
        return list
    }

    struct NotAList: Error { let output: String }
}

/// The program as somebody would have installed it: a configuration, a state directory and a folder for backups, in a folder of
/// a test's own. It runs as a user without privileges, also when the tests run as root.
final class Installation: Sendable {
    /// The program under test, where every user may run it.
    private static let program = Mutex<(path: String, folder: TemporaryFolder)?>(nil)
    /// Who runs it; `nil` where the tests do not run as root.
    static let user = ProcessUser.isRoot ? ProcessUser.unprivileged() : nil

    let folder: TemporaryFolder
    private let daemon = Mutex<ForegroundDaemon?>(nil)

    /// Where the history is.
    var state: String { folder.path("state") }
    /// Where backups go.
    var backups: String { folder.path("backups") }
    /// The configuration file.
    var configuration: String { folder.path("pgcaretaker.toml") }

    /// An installation with this configuration; its `state_directory` is added.
    ///
    /// - Parameter text: the configuration; `BACKUPS` in it stands for the folder of the backups.
    init(_ text: String) throws {
        folder = try TemporaryFolder("installation")
        for directory in [state, backups] {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            try give(directory)
        }
        try configure(text)
    }

    /// Replaces the configuration.
    func configure(_ text: String) throws {
        let whole = "state_directory = \"\(state)\"\n" + text.replacingOccurrences(of: "BACKUPS", with: backups)
        try write(whole, to: "pgcaretaker.toml", mode: 0o600)
    }

    /// Writes a file that belongs to the program's user.
    @discardableResult
    func write(_ text: String, to name: String, mode: Int = 0o600) throws -> String {
        let path = try folder.write(text, to: name, mode: mode)
        try give(path)
        return path
    }

    private func give(_ path: String) throws {
        guard let user = Self.user else { return }
        guard chown(path, user.userID, user.groupID) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EPERM) }
    }

    /// Remembers the daemon that runs here.
    func note(_ running: ForegroundDaemon) { daemon.withLock { $0 = running } }

    /// Kills the daemon that runs here, as a crash would.
    func killDaemon() { daemon.withLock { $0 }?.signal(SIGKILL) }

    /// Lets whoever waits for the daemon that runs here go on, and stop it.
    func stopDaemon() { daemon.withLock { $0 }?.wake() }

    /// A command of the program as a child process to be.
    func command(_ arguments: [String], environment: [String: String] = [:]) throws -> Program {
        var variables = ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": folder.path]
        variables.merge(environment) { _, given in given }
        return Program(
            executable: try Self.path(), arguments: arguments + ["--config", configuration], environment: variables,
            user: Self.user, workingDirectory: "/")
    }

    /// Runs a command of the program to its end.
    func run(_ arguments: String..., environment: [String: String] = [:], deadline: Duration = .seconds(60)) async throws -> Answer
    {
        try await run(arguments, environment: environment, deadline: deadline)
    }

    /// Runs a command of the program to its end.
    func run(_ arguments: [String], environment: [String: String] = [:], deadline: Duration = .seconds(60)) async throws -> Answer {
        try await Self.run(try command(arguments, environment: environment), deadline: deadline)
    }

    /// Runs any program to its end.
    ///
    /// - Parameter onErrorLine: gets each line of standard error as it comes.
    static func run(
        _ program: Program, deadline: Duration = .seconds(60), onErrorLine: (@Sendable (String) -> Void)? = nil
    ) async throws -> Answer {
        let errors = Mutex("")
        let result = try await Pipeline([program], deadline: deadline).run(output: .collect(limit: 16 << 20)) { _, line in
            errors.withLock { $0 += line + "\n" }
            onErrorLine?(line)
        }
        let status: Int32 =
            switch result.stages[0].termination {
            case .exited(let status): status
            case .signalled(let signal): 128 + signal
            }
        return Answer(status: status, output: String(decoding: result.output, as: UTF8.self), errors: errors.withLock { $0 })
    }

    /// The built program, copied to where the user without privileges may enter.
    static func path() throws -> String {
        try program.withLock { known in
            if let known { return known.path }
            let folder = try TemporaryFolder("program")
            let test = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            let built = (Self.buildFolder(test) as NSString).appendingPathComponent("pgcaretaker")
            try FileManager.default.copyItem(atPath: built, toPath: folder.path("pgcaretaker"))
            known = (folder.path("pgcaretaker"), folder)
            atexit { Installation.forget() }
            return folder.path("pgcaretaker")
        }
    }

    /// The tests are run by a helper of the toolchain's or by themselves; what was built lies beside this package's test bundle.
    private static func buildFolder(_ executable: String) -> String {
        let own = (executable as NSString).deletingLastPathComponent
        if FileManager.default.fileExists(atPath: "\(own)/pgcaretaker") { return own }
        for argument in CommandLine.arguments where argument.hasSuffix(".xctest") {
            return (argument as NSString).deletingLastPathComponent
        }
        return own
    }

    private static func forget() { program.withLock { $0 = nil } }
}

extension ConnectionTarget {
    /// As the configuration's `url` takes it, password and all.
    var url: String {
        let secret = password.map { " password='\($0.reveal().replacing("\\", with: "\\\\").replacing("'", with: "\\'"))'" } ?? ""
        return connectionString + secret
    }

    /// As a TOML literal for `url`.
    var tomlURL: String { "\"" + url.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\"" }
}
