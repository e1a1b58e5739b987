import Glibc

/// Removes what runs left behind that died while they wrote or deleted a backup.
///
/// A dump that is being written is locked by its run, so one that nobody has locked belongs to nobody. If its manifest bears a final
/// name already, or still, while the dump does not, the manifest goes first: it tells of a backup that there is not.
enum LeftoverSweep {
    /// Sweeps a folder.
    ///
    /// - Returns: the names of the files that were removed.
    static func run(in directory: String) throws(FileFailure) -> [String] {
        var removed: [String] = []
        let files = try Folder.names(in: directory).sorted()
        var alive: Set<BackupName> = []
        for file in files {
            guard case .partialDump(let name) = BackupName.role(of: file) else { continue }
            let path = "\(directory)/\(file)"
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            guard descriptor >= 0 else {
                // Renamed or removed since the folder was read, or not ours to open: then not ours to remove.
                alive.insert(name)
                continue
            }
            defer { close(descriptor) }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, isStill(path, descriptor) else {
                alive.insert(name)
                continue
            }
            if !Folder.exists("\(directory)/\(name.dump)"), Folder.exists("\(directory)/\(name.manifest)") {
                try Folder.remove("\(directory)/\(name.manifest)")
                removed.append(name.manifest)
            }
            try Folder.remove(path)
            removed.append(file)
        }
        for file in files {
            // A run that lives holds its dump until its manifest has its final name.
            guard case .partialManifest(let name) = BackupName.role(of: file), !alive.contains(name) else { continue }
            try Folder.remove("\(directory)/\(file)")
            removed.append(file)
        }
        return removed
    }

    /// Whether a path still leads to the file that was opened, and not to nothing since its run has published it.
    private static func isStill(_ path: String, _ descriptor: Int32) -> Bool {
        var opened = stat()
        var named = stat()
        return fstat(descriptor, &opened) == 0 && lstat(path, &named) == 0 && opened.st_ino == named.st_ino
            && opened.st_dev == named.st_dev
    }
}
