import Command

extension JobError {
    /// The failure of a run that a program ended: what it said, and what to do.
    ///
    /// The most telling line of standard error goes into the message and the rest into the details. What PostgreSQL says may be in
    /// any language, so only what does not depend on it, or is likely to be in English, is recognised.
    init(_ stage: StageResult, doing action: String) {
        let telling = Self.tellingLine(of: stage.standardErrorTail)
        let message = "\(stage.program) \(stage.termination)" + (telling.map { ": \($0)" } ?? " without a word")
        let details = stage.standardErrorTail.isEmpty ? nil : stage.standardErrorTail
        let known = Self.recognise(stage.standardErrorTail)
        self.init(
            known?.code ?? .programFailed, "\(action) failed: \(message)", hint: known?.hint,
            isWorthRetrying: known?.isWorthRetrying ?? false, details: details)
    }

    /// The failure of a run whose programs could not be started or were torn down.
    init(_ error: PipelineError, doing action: String) {
        switch error {
        case .cancelled: self = .cancelled
        case .cannotStart(let program, let reason):
            self.init(.programMissing, "\(action) failed: cannot start \(program): \(reason)")
        case .deadlineExceeded: self.init(.timedOut, "\(action) failed: \(error)")
        case .sinkFailed(let cause as FileFailure): self.init(cause)
        case .sourceFailed, .sinkFailed: self.init(.fileSystem, "\(action) failed: \(error)")
        case .outputLeftOpen: self.init(.programFailed, "\(action) failed: \(error)")
        }
    }

    /// The line that says most: the first that calls itself an error, else the last one.
    static func tellingLine(of text: String) -> String? {
        let lines = text.split(separator: "\n").map { String($0) }.filter { !$0.allSatisfy(\.isWhitespace) }
        for mark in [" error: ", "FATAL: ", "ERROR: ", "error: "] {
            guard let line = lines.first(where: { $0.contains(mark) }) else { continue }
            // "pg_dump: error: " says nothing that the message has not said.
            for prefix in ["pg_dump: error: ", "pg_restore: error: "] where line.hasPrefix(prefix) {
                return String(line.dropFirst(prefix.count))
            }
            return line
        }
        return lines.last
    }

    private struct Recognised {
        let code: Code
        var hint: String?
        var isWorthRetrying = false
    }

    private static func recognise(_ text: String) -> Recognised? {
        let has = { (part: String) in text.contains(part) }
        if has("No space left on device") || has("Disk quota exceeded") {
            return Recognised(code: .diskFull, hint: "Free space on that disk, or keep fewer backups.")
        }
        if has("server version mismatch") {
            return Recognised(
                code: .programTooOld, hint: "Install the client programs of the server's version, or name them as pg_bin.")
        }
        if has("statement timeout"), has("LOCK TABLE") {
            return Recognised(
                code: .lockTimeout,
                hint: "Something held a table exclusively, such as a migration; see lock_timeout and retries.",
                isWorthRetrying: true)
        }
        if has("row-level security") {
            return Recognised(
                code: .permissionDenied,
                hint: "A dump must see every row: give the role the attribute BYPASSRLS, or dump as the tables' owner.")
        }
        if has("permission denied") || has("must be owner") || has("must be member of role") {
            return Recognised(
                code: .permissionDenied, hint: "Give the role what it lacks, for a backup `GRANT pg_read_all_data TO` the role.")
        }
        if has("password authentication failed") || has("no password supplied") || has("Peer authentication failed") {
            return Recognised(code: .databaseRefused)
        }
        let lost = [
            "server closed the connection unexpectedly", "terminating connection due to", "the database system is",
            "Connection refused", "connection to client lost", "could not connect to server", "remaining connection slots",
            "too many clients", "SSL connection has been closed unexpectedly",
        ]
        if lost.contains(where: has) { return Recognised(code: .databaseUnreachable, isWorthRetrying: true) }
        return nil
    }
}
