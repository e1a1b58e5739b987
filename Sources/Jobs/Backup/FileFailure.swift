import Glibc

/// A call of the file system that failed.
struct FileFailure: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was tried: `write`, `rename`.
    let verb: String
    /// With what.
    let path: String
    /// The system's error number.
    let code: Int32

    /// The call that failed just now.
    static func last(_ verb: String, _ path: String) -> FileFailure {
        FileFailure(verb: verb, path: path, code: errno)
    }

    /// Whether there is no room: on the disk, in a quota, or under the limit of a file's size.
    var isNoSpace: Bool { code == ENOSPC || code == EDQUOT || code == EFBIG }

    /// The system's words for it.
    var reason: String { String(cString: strerror(code)).lowercased() }

    /// Verb, path and reason, lower case, no final stop.
    var description: String { "cannot \(verb) \(path): \(reason)" }
}

extension JobError {
    /// The failure of a run that a call of the file system ends.
    init(_ failure: FileFailure) {
        if failure.isNoSpace {
            self.init(
                .diskFull, failure.description, hint: "Free space on that disk, or keep fewer backups.",
                isWorthRetrying: false)
        } else {
            self.init(.fileSystem, failure.description)
        }
    }
}
