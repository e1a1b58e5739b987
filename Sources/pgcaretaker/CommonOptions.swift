import ArgumentParser
import Command
import Configuration
import Daemon
import Foundation
import Glibc
import History
import Jobs
import Logging
import Report
import Schedule
import Synchronization
import Systemd

/// The option that every command has.
struct ConfigurationOption: ParsableArguments {
    @Option(name: .customLong("config"), help: "The configuration file; conf.d/*.toml beside it is laid over it.")
    var path = ConfigurationLoader.defaultPath

    /// The configuration; every error goes to standard error, and the process exits with 78.
    func load() throws -> Configuration {
        do throws(ConfigurationErrors) {
            return try ConfigurationLoader(path: path, environment: ProcessInfo.processInfo.environment).load()
        } catch {
            for problem in error.problems { Terminal.complain("\(problem)") }
            throw ExitCode(78)
        }
    }
}

/// The option of every command that lists.
struct JSONOption: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print one JSON value.")
    var isOn = false
}

/// Standard output and standard error.
enum Terminal {
    /// Writes to standard output. Output that cannot be written is a failure like any other: a list that is cut must not end
    /// with 0.
    static func say(_ text: String) {
        guard !write(text.hasSuffix("\n") ? text : text + "\n", to: STDOUT_FILENO) else { return }
        let code = errno
        if let cleanUp = lossHandler.withLock({ $0 }) { return cleanUp() }
        // Whoever read it, such as head(1), has what it wants.
        if code != EPIPE { complain("pgcaretaker: standard output cannot be written: \(String(cString: strerror(code)))") }
        exit(code == EPIPE ? 128 + SIGPIPE : 74)
    }

    private static let lossHandler = Mutex<(@Sendable () -> Void)?>(nil)

    /// Lets a command that has something to clean up do that when its output cannot be written, instead of ending at once.
    static func whenOutputIsLost(_ handler: @escaping @Sendable () -> Void) {
        lossHandler.withLock { $0 = handler }
    }

    static func complain(_ text: String) { note(text + "\n") }

    /// Writes to standard error as it is; one that is gone is no reason to fail.
    static func note(_ text: String) { _ = write(text, to: STDERR_FILENO) }

    /// Not Foundation's handle, which ends the process with a stack trace when it cannot write.
    private static func write(_ text: String, to descriptor: Int32) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Says what failed and ends with a status.
    static func fail(_ message: String, hint: String? = nil, details: String? = nil, status: Int32) -> ExitCode {
        complain("pgcaretaker: \(message)")
        if let details, !details.isEmpty { complain(details) }
        if let hint { complain("HINT: \(hint)") }
        return ExitCode(status)
    }

    static func fail(_ failure: Caretaker.Failure) -> ExitCode {
        fail(failure.message, hint: failure.hint, status: failure.exitStatus)
    }

    static var isInteractive: Bool { isatty(STDERR_FILENO) == 1 }
}

/// Where the log of a command goes, and from which level on.
enum CommandLog {
    static func logger(level: Logger.Level) -> Logger {
        let destination = LogDestination.ofProcess()
        LoggingSystem.bootstrap { _ in destination.handler(level: level) }
        return Logger(label: "pgcaretaker")
    }
}

extension Configuration {
    /// The log level of the file.
    var level: Logger.Level { Logger.Level(rawValue: logLevel) ?? .info }
}

extension JobError {
    /// The exit status of this failure.
    var exitStatus: Int32 { code.exitStatus }
}

extension JobError.Code {
    /// The exit status of such a failure, by sysexits(3).
    var exitStatus: Int32 {
        switch self {
        case .databaseUnreachable, .databaseMissing: 69
        case .permissionDenied, .databaseRefused: 77
        case .locked: 75
        case .backupDamaged: 65
        case .badConfiguration: 78
        default: 1
        }
    }
}

/// Commands that touch what belongs to the service's user do so as that user, so that no file of root's stays behind
/// that the daemon could not write tonight.
enum Identity {
    /// The service's user as sysusers makes it.
    private static let serviceUser = "pgcaretaker"

    static func stepDownToOwner(of folder: String) throws {
        guard ProcessUser.isRoot, let user = owner(of: folder) else { return }
        do {
            try ProcessUser.stepDown(to: user)
            setenv("HOME", user.home, 1)
        } catch {
            throw Terminal.fail("cannot become \(user.name), who owns \(folder): \(error)", status: 77)
        }
    }

    /// Who owns a folder, if that is not root; of one that is not there yet the service's user.
    private static func owner(of folder: String) -> ProcessUser? {
        var status = stat()
        guard stat(folder, &status) == 0 else { return errno == ENOENT ? ProcessUser.named(serviceUser) : nil }
        guard status.st_uid != 0, let entry = getpwuid(status.st_uid) else { return nil }
        return ProcessUser.named(String(cString: entry.pointee.pw_name))
    }
}
