import Configuration
import Foundation
import Glibc
import History
import Jobs
import Logging
import Postgres
import Schedule

/// What every command that runs jobs stands on: the history, the clocks, the folders.
package final class Caretaker: Sendable {
    /// Why nothing can be run.
    package struct Failure: Error, Sendable {
        /// What is wrong.
        package let message: String
        /// What to do.
        package let hint: String?
        /// The status to exit with, by sysexits(3).
        package let exitStatus: Int32

        /// A failure with its remedy.
        package init(_ message: String, hint: String? = nil, exitStatus: Int32) {
            self.message = message
            self.hint = hint
            self.exitStatus = exitStatus
        }
    }

    /// The runs, the fires and the samples.
    package let history: History
    /// The host's clocks.
    package let clock: any JobClock
    /// Where to say things.
    package let logger: Logger
    /// A history that could not be read and was put aside, and where.
    package let damagedHistory: (path: String, reason: String)?
    let stateDirectory: String
    let privateDirectory: String
    private let ownsPrivateDirectory: Bool
    let childEnvironment: [String: String]

    /// Opens the history and prepares the folders.
    ///
    /// - Throws: ``Failure`` with the status to exit with.
    package init(
        stateDirectory: String, environment: [String: String], clock: any JobClock = SystemJobClock(), logger: Logger
    ) throws(Failure) {
        self.stateDirectory = stateDirectory
        self.clock = clock
        self.logger = logger
        childEnvironment = ChildEnvironment.filtered(environment)
        for folder in [stateDirectory, "\(stateDirectory)/locks"] {
            guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
                let code = errno
                throw Failure(
                    "the state directory \(folder) cannot be made: \(String(cString: strerror(code)))",
                    hint: "Run the command as root or as the service's user, or set state_directory.",
                    exitStatus: code == EACCES || code == EPERM ? 77 : 75)
            }
        }
        let path = "\(stateDirectory)/history.db"
        do {
            (history, damagedHistory) = try Self.open(path, at: clock.now())
        } catch {
            throw Self.failure(error)
        }
        if let runtime = environment["RUNTIME_DIRECTORY"]?.split(separator: ":").first {
            privateDirectory = String(runtime)
            ownsPrivateDirectory = false
        } else {
            Self.sweepPrivateDirectories()
            var template = Array("\(Self.privateDirectoryPrefix)\(getpid())-XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else {
                throw Failure(
                    "no private folder can be made in /tmp: \(String(cString: strerror(errno)))", exitStatus: 75)
            }
            privateDirectory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            ownsPrivateDirectory = true
        }
    }

    private static let privateDirectoryPrefix = "/tmp/pgcaretaker-run-"

    /// Removes the private folders of processes of ours that were killed: a password file may be in them.
    private static func sweepPrivateDirectories() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/tmp")) ?? [] {
            let path = "/tmp/\(name)"
            var status = stat()
            guard path.hasPrefix(privateDirectoryPrefix), lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
                status.st_uid == geteuid(),
                let process = pid_t(path.dropFirst(privateDirectoryPrefix.count).prefix { $0 != "-" }),
                kill(process, 0) != 0, errno == ESRCH
            else { continue }
            try? FileManager.default.removeItem(atPath: path)
        }
    }

    deinit {
        if ownsPrivateDirectory { try? FileManager.default.removeItem(atPath: privateDirectory) }
    }

    /// Opens a history, or makes a new one where a damaged one was.
    private static func open(
        _ path: String, at now: Instant
    ) throws(History.Failure) -> (History, (path: String, reason: String)?) {
        do throws(History.Failure) {
            return (try History(path: path), nil)
        } catch {
            guard case .damaged(_, let reason) = error else { throw error }
            // Losing the history loses no data; a daemon that does not start for it would lose backups.
            let aside = try History.setAside(path: path, at: now)
            return (try History(path: path), (aside, reason))
        }
    }

    /// A failure of the history, with its exit status.
    package static func failure(_ failure: History.Failure) -> Failure {
        switch failure {
        case .newerVersion:
            Failure(
                "\(failure)", hint: "Install that version again, or move the file away; backups are not affected.", exitStatus: 65)
        case .damaged:
            Failure("\(failure)", hint: "Move the file away; backups are not affected.", exitStatus: 65)
        case .unavailable(let path, _):
            Failure(
                "\(failure)", hint: "Check the free space and the permissions of its folder.",
                exitStatus: access(path, R_OK | W_OK) != 0 && (errno == EACCES || errno == EPERM) ? 77 : 75)
        }
    }

    /// Asks for the lock under which a job runs, whichever process runs it.
    func lock(job: String) -> FileLock.Result {
        FileLock.take("\(stateDirectory)/locks/\(job).lock")
    }

    /// Asks for the lock of which each state directory has one daemon.
    func lockDaemon() -> FileLock.Result {
        let result = FileLock.take("\(stateDirectory)/daemon.lock")
        // What a daemon before us has written there is no process any more, or another one.
        if case .taken(let lock) = result { lock.write("") }
        return result
    }

    /// Lets a daemon that works in the state directory know that there is something new in the history. None runs: nothing
    /// happens, as it will read the history when it starts.
    package func tellDaemon() {
        guard case .held = lockDaemon(),
            let text = try? String(contentsOfFile: "\(stateDirectory)/daemon.lock", encoding: .utf8),
            let process = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)), process > 1
        else { return }
        kill(process, SIGUSR1)
    }

    /// What a job gets for one run; every line that it logs says which run that is.
    func context(
        for run: RunRecord, database: DatabaseAccess, zone: ZoneRules, deadline: Instant? = nil, isDryRun: Bool = false,
        progress: ProgressSink = .none
    ) -> JobContext {
        var logger = logger
        for (key, value) in RunJournal.metadata(run) { logger[metadataKey: key] = value }
        return JobContext(
            job: run.key.job, runID: run.id, database: database, logger: logger, clock: clock, deadline: deadline,
            isDryRun: isDryRun, progress: progress, sizes: HistorySizeStore(history: history, clock: clock),
            privateDirectory: privateDirectory, childEnvironment: childEnvironment, zone: zone)
    }
}
