import Glibc

/// The priority of a session as a whole.
///
/// Where the kernel groups processes by session (sched(7), "The autogroup feature"; Debian's does), a nice value counts only
/// among the processes of one session, and every child of ours leads one of its own. Against all others, the server's for
/// instance, it is the session's value that counts.
enum SessionPriority {
    /// How long to wait before asking again: unprivileged processes are allowed ten changes a second, all together.
    static let pause = Duration.milliseconds(100)

    /// Gives the process's session a nice value. False if the kernel wants to be asked again later.
    static func lower(sessionOf process: pid_t, by niceness: Int) -> Bool {
        // Without the feature there is no such file, or writing changes nothing.
        let file = open("/proc/\(process)/autogroup", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return true }
        defer { close(file) }
        let text = Array("\(niceness)".utf8)
        return write(file, text, text.count) >= 0 || errno != EAGAIN
    }
}
