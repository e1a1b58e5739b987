import Glibc
import Subprocess
import SystemPackage

/// A started child process. It stays in the process table until ``release()``: as long as it does, its id and its group
/// cannot become somebody else's, so signals sent to them reach the right processes.
struct StageProcess: Sendable {
    /// The program's name, for reports.
    let program: String
    /// The id of the process, and of its session and process group, of which it is the leader.
    let processID: pid_t
    /// Readable once the process has ended (pidfd_open(2)), or -1 on a kernel that has none.
    let processDescriptor: CInt
    /// What its session's group in the kernel's scheduler gets, see ``SessionPriority``.
    let niceness: Int

    private let gate: OneTimeValue<Void>
    private let reaping: Task<Void, Never>

    /// Why a process could not be started.
    struct LaunchFailure: Error {
        var reason: String
    }

    /// Starts the program with these three descriptors, which remain the caller's to close.
    ///
    /// The library resets the child's signal dispositions and mask and closes all other descriptors in it. Its own
    /// reaction to cancellation is an immediate SIGKILL of the leader alone, so it runs in a task of its own that is
    /// never cancelled.
    static func launch(
        _ program: Program, input: FileDescriptor, output: FileDescriptor, error: FileDescriptor
    ) async throws(LaunchFailure) -> StageProcess {
        let configuration = try configuration(for: program)
        let gate = OneTimeValue<Void>()
        let started = OneTimeValue<Result<(pid_t, CInt), LaunchFailure>>()
        let reaping = Task.detached {
            do {
                _ = try await Subprocess.run(
                    configuration,
                    input: .fileDescriptor(input, closeAfterSpawningProcess: false),
                    output: .fileDescriptor(output, closeAfterSpawningProcess: false),
                    error: .fileDescriptor(error, closeAfterSpawningProcess: false)
                ) { execution in
                    let process = execution.processIdentifier
                    started.set(.success((process.value, process.processDescriptor)))
                    // The library reaps the process only after this closure has returned.
                    await gate.value()
                }
            } catch {
                started.set(.failure(LaunchFailure(reason: Self.reason(of: error, for: program))))
            }
        }
        let (processID, processDescriptor) = try await started.value().get()
        return StageProcess(
            program: program.name, processID: processID, processDescriptor: processDescriptor,
            niceness: program.niceness, gate: gate, reaping: reaping)
    }

    /// Lets go of a process that has ended and waits until it has been reaped.
    func release() async {
        gate.set(())
        await reaping.value
    }

    /// How the process ended, or nil if it has not; it is not reaped by asking (waitid(2), WNOWAIT).
    func termination() -> Termination? {
        var info = siginfo_t()
        while waitid(P_PID, id_t(processID), &info, WEXITED | WNOHANG | WNOWAIT) != 0 {
            // No child of that id can only mean that somebody else waits for all children of this process.
            guard errno == EINTR else { return .exited(-1) }
        }
        guard info._sifields._sigchld.si_pid != 0 else { return nil }
        let status = info._sifields._sigchld.si_status
        return info.si_code == Int32(CLD_EXITED) ? .exited(status) : .signalled(status)
    }

    /// Sends a signal to every process of the group.
    func signalGroup(_ signal: Int32) {
        kill(-processID, signal)
    }

    /// Whether the group has a process that is not a zombie, as far as /proc shows.
    ///
    /// kill(2) with signal 0 cannot tell: it counts the leader, which is kept as a zombie.
    func groupIsAlive() -> Bool {
        ProcessTable.hasLivingMembers(ofGroup: processID)
    }

    private static func configuration(for program: Program) throws(LaunchFailure) -> Configuration {
        // execve(2) takes C strings: a value with a zero byte in it would arrive cut.
        let texts = program.arguments + program.environment.flatMap { [$0.key, $0.value] } + [program.executable]
        guard !texts.contains(where: { $0.utf8.contains(0) }) else {
            throw LaunchFailure(reason: "a zero byte in its arguments or environment")
        }
        guard !program.environment.keys.contains(where: { $0.isEmpty || $0.contains("=") }) else {
            throw LaunchFailure(reason: "an environment variable whose name is empty or has a \"=\" in it")
        }
        if let reason = ExecutableSearch.reasonNotExecutable(program.executable) { throw LaunchFailure(reason: reason) }

        var (executable, arguments) = (program.executable, program.arguments)
        if let user = program.user, user.userID != geteuid() || user.groupID != getegid() {
            guard ProcessUser.isRoot else { throw LaunchFailure(reason: "only root can run it as user \(user.name)") }
            (executable, arguments) = (try stepDownProgram(), stepDownArguments(to: user) + [executable] + arguments)
        }
        if program.niceness > 0 {
            guard let nice = ExecutableSearch.standard.find("nice") else {
                throw LaunchFailure(reason: "nice (package coreutils) is needed to run it with lower priority")
            }
            // nice(1) lowers the priority and then becomes the program. From here it would be too late: a priority is a
            // thread's, and the program may have made threads by then.
            (executable, arguments) = (nice, ["-n", "\(program.niceness)", executable] + arguments)
        }
        var options = PlatformOptions()
        options.createSession = true
        return Configuration(
            executable: .path(FilePath(executable)),
            arguments: Arguments(arguments),
            environment: .custom(program.environment.map { Array("\($0.key)=\($0.value)\0".utf8) }),
            workingDirectory: program.workingDirectory.map { FilePath($0) },
            platformOptions: options)
    }

    /// setpriv(1) becomes the other user and then, in the same process, the program.
    ///
    /// The library has options for it, but calls setgroups(3) and setuid(3) between a bare clone3(2) and execve(2).
    /// glibc carries those calls to every thread it knows of; in the child it waits for threads that only the parent
    /// has, for ever (swift-subprocess 1.0.2).
    private static func stepDownProgram() throws(LaunchFailure) -> String {
        guard let path = ExecutableSearch.standard.find("setpriv") else {
            throw LaunchFailure(reason: "setpriv (package util-linux) is needed to run it as another user")
        }
        return path
    }

    private static func stepDownArguments(to user: ProcessUser) -> [String] {
        let groups = user.supplementaryGroups().map(String.init).joined(separator: ",")
        return ["--reuid=\(user.userID)", "--regid=\(user.groupID)", "--groups=\(groups)", "--"]
    }

    private static func reason(of error: any Error, for program: Program) -> String {
        guard let error = error as? SubprocessError else { return "\(error)" }
        // The library reports every refusal of execve that has to do with the path as "not found". Before the start the
        // file was there and ours to execute, so what is left is the interpreter that a script names.
        switch error.code {
        case .executableNotFound:
            return "it, or the interpreter that it names, is not there or may not be executed"
        case .failedToChangeWorkingDirectory:
            let cause = error.underlyingError.map { ": \($0)" } ?? ""
            return "cannot enter the directory \(program.workingDirectory ?? "")\(cause)"
        default:
            return error.underlyingError.map { "\($0)" } ?? "\(error)"
        }
    }
}

/// What /proc tells about processes (proc(5)).
enum ProcessTable {
    /// Whether a process of that group is listed that is not a zombie. False if /proc cannot be read.
    static func hasLivingMembers(ofGroup group: pid_t) -> Bool {
        guard let directory = opendir("/proc") else { return false }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let processID = pid_t(name), let state = state(of: processID) else { continue }
            if state.group == group, state.letter != "Z", state.letter != "X" { return true }
        }
        return false
    }

    private static func state(of processID: pid_t) -> (letter: Substring, group: pid_t)? {
        let file = open("/proc/\(processID)/stat", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        let text = withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 1) { buffer in
            String(decoding: buffer.prefix(max(0, read(file, buffer.baseAddress, buffer.count))), as: UTF8.self)
        }
        // The name stands in parentheses and may itself contain anything, parentheses and spaces too.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[end...].dropFirst().split(separator: " ")
        guard fields.count > 2, let group = pid_t(fields[2]) else { return nil }
        return (fields[0], group)
    }
}

/// Numbers of signals where `Glibc` need not be imported for one.
enum Signal {
    /// SIGPIPE: a write to a pipe without a reader.
    static let brokenPipe: Int32 = SIGPIPE
}
