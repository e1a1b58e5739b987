import Glibc

/// The folder that backups are made into.
enum BackupFolder {
    /// What a folder is like, as far as backups are concerned.
    enum Condition: Sendable, Hashable {
        /// It is there and may be written to; `isOpenToOthers` if others may look into it.
        case ready(isOpenToOthers: Bool)
        /// It is not there, but can be made.
        case missing
        /// It cannot be used.
        case unfit(reason: String, hint: String)
    }

    /// Looks at a folder without changing anything.
    static func condition(of path: String) -> Condition {
        var status = stat()
        guard stat(path, &status) == 0 else {
            let reason = FileFailure.last("use", path)
            guard reason.code == ENOENT else { return unfit(reason.description, "Name a folder that this user may enter.") }
            let parent = Folder.parent(of: path)
            guard stat(parent, &status) == 0 else {
                return unfit(
                    "neither \(path) nor the folder it is to lie in exists",
                    "Make the folder \(parent), or mount the disk that it is on.")
            }
            guard status.st_mode & S_IFMT == S_IFDIR else { return unfit("\(parent) is not a folder", "Name another folder.") }
            guard access(parent, W_OK | X_OK) == 0 else {
                return unfit(
                    "\(path) does not exist, and this user may not make it",
                    "Make it with `install -d -m 0700 -o \(userName) \(path)`.")
            }
            return .missing
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { return unfit("\(path) is not a folder", "Name a folder.") }
        guard status.st_mode & S_IWOTH == 0 else {
            return unfit(
                "everybody may write to \(path)",
                "A backup that others can replace is worth nothing; use a folder of mode 0700.")
        }
        guard access(path, W_OK | R_OK | X_OK) == 0 else {
            let reason = FileFailure.last("write to", path)
            return unfit(
                reason.description,
                reason.code == EROFS
                    ? "The file system is mounted read-only." : "Give the folder to this user: `chown \(userName) \(path)`.")
        }
        return .ready(isOpenToOthers: status.st_mode & (S_IRWXG | S_IRWXO) != 0)
    }

    /// Makes sure that the folder is there and can be used; a new one is open to nobody else (0700).
    ///
    /// - Throws: ``JobError`` of code `file-system`.
    static func prepare(_ path: String) throws(JobError) {
        switch condition(of: path) {
        case .ready: return
        case .unfit(let reason, let hint): throw JobError(.fileSystem, reason, hint: hint)
        case .missing:
            do throws(FileFailure) {
                // EEXIST: another job with the same folder was quicker; its folder is as good.
                guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .last("make the folder", path) }
                try Folder.sync(Folder.parent(of: path))
            } catch {
                throw JobError(error)
            }
        }
    }

    private static func unfit(_ reason: String, _ hint: String) -> Condition { .unfit(reason: reason, hint: hint) }

    private static var userName: String { String(geteuid()) }
}
