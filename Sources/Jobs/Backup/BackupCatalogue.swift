import Glibc

/// What a folder of backups holds, read from the manifests in it: no history and no database is needed, on any machine.
///
/// A backup is complete if its manifest can be read and the dump beside it has the size that the manifest says; whether its bytes are
/// the right ones only ``BackupVerifier`` tells. What bears another kind of name is somebody else's and not looked at.
package struct BackupCatalogue: Sendable, Hashable {
    /// The folder, an absolute path.
    package let directory: String
    /// The complete backups, the newest first.
    package let backups: [Backup]
    /// What is there but cannot be used, by name.
    package let damaged: [DamagedBackup]

    /// A manifest that is larger is none of ours.
    private static let largestManifest: Int64 = 16 << 20

    /// Reads a folder.
    ///
    /// - Throws: ``JobError`` of code `file-system` if the folder cannot be read. A single file that cannot be is damaged.
    package static func read(_ directory: String) throws(JobError) -> BackupCatalogue {
        do throws(FileFailure) {
            return try BackupCatalogue(reading: directory)
        } catch {
            throw JobError(
                .fileSystem, error.description,
                hint: error.code == ENOENT
                    ? "No backup was made into this folder yet, or its disk is not mounted." : "Read it as a user who may.")
        }
    }

    /// Reads a folder, waiting for the disk elsewhere than on Swift's cooperative pool.
    package static func load(_ directory: String) async throws(JobError) -> BackupCatalogue {
        try await BlockingWork.run { () throws(JobError) in try read(directory) }
    }

    private init(reading directory: String) throws(FileFailure) {
        self.directory = directory
        var dumps: Set<BackupName> = []
        var manifests: Set<BackupName> = []
        for file in try Folder.names(in: directory) {
            switch BackupName.role(of: file) {
            case .dump(let name): dumps.insert(name)
            case .manifest(let name): manifests.insert(name)
            default: continue
            }
        }
        var backups: [Backup] = []
        var damaged: [DamagedBackup] = []
        for name in manifests {
            do throws(Unusable) {
                backups.append(try Self.examine(name, in: directory))
            } catch {
                damaged.append(DamagedBackup(name: name, manifest: error.manifest, reason: error.reason))
            }
        }
        for name in dumps.subtracting(manifests) {
            damaged.append(DamagedBackup(name: name, manifest: nil, reason: "its manifest \(name.manifest) is missing"))
        }
        // A copy under another name is no second backup: it would fill a slot and could not be told apart by its identifier.
        var seen: Set<String> = []
        backups.sort { ($0.id, $0.name.stem) < ($1.id, $1.name.stem) }
        for copy in backups where !seen.insert(copy.id).inserted {
            let reason = "another backup in the folder has the identifier \(copy.id) too"
            damaged.append(DamagedBackup(name: copy.name, manifest: copy.manifest, reason: reason))
        }
        let copies = Set(damaged.map(\.name))
        self.backups = backups.filter { !copies.contains($0.name) }.sorted(by: Backup.isNewer)
        self.damaged = damaged.sorted { $0.name.stem < $1.name.stem }
    }

    // MARK: Choosing

    /// The complete backups of one job and database, the newest first.
    package func backups(job: String, database: String) -> [Backup] {
        backups.filter { $0.manifest.job == job && $0.manifest.database == database }
    }

    /// The backup that somebody means: `latest`, an identifier, or the beginning of one that no other has.
    ///
    /// - Throws: ``JobError`` of code `backup-unknown` if there is none or more than one, `backup-damaged` if it cannot be used.
    package func backup(_ wanted: String) throws(JobError) -> Backup {
        if wanted == "latest" {
            guard let newest = backups.first else {
                throw JobError(.backupUnknown, "there is no complete backup in \(directory)")
            }
            return newest
        }
        if let exact = backups.first(where: { $0.id == wanted || $0.name.stem == wanted }) { return exact }
        let matches = backups.filter { !wanted.isEmpty && $0.id.hasPrefix(wanted) }
        if matches.count == 1 { return matches[0] }
        if let broken = damaged.first(where: { $0.manifest?.id == wanted || $0.name.stem == wanted }) {
            throw JobError(.backupDamaged, "backup \(wanted) cannot be used: \(broken.reason)")
        }
        guard matches.isEmpty else {
            let names = matches.prefix(4).map(\.id).joined(separator: ", ")
            throw JobError(
                .backupUnknown, "\(matches.count) backups in \(directory) begin with \(wanted): \(names)",
                hint: "Write more of the identifier.")
        }
        throw JobError(
            .backupUnknown, "there is no backup \(wanted) in \(directory)",
            hint: "`pgcaretaker backups list` shows the identifiers.")
    }

    // MARK: Examining

    private struct Unusable: Error {
        let reason: String
        var manifest: BackupManifest?
    }

    private static func examine(_ name: BackupName, in directory: String) throws(Unusable) -> Backup {
        let json: [UInt8]
        do throws(FileFailure) {
            json = try Folder.contents(of: "\(directory)/\(name.manifest)", limit: largestManifest)
        } catch {
            throw Unusable(reason: "its manifest cannot be read: \(error.reason)")
        }
        let manifest: BackupManifest
        do throws(BackupManifest.Unreadable) {
            manifest = try BackupManifest(json: json)
        } catch {
            throw Unusable(reason: error.description)
        }
        var status = stat()
        // lstat: a link to elsewhere is not the file that was written, synced and checked.
        guard lstat("\(directory)/\(name.dump)", &status) == 0 else {
            let reason =
                errno == ENOENT
                ? "its dump \(name.dump) is missing" : "its dump cannot be read: \(String(cString: strerror(errno)))"
            throw Unusable(reason: reason, manifest: manifest)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw Unusable(reason: "its dump is not a regular file", manifest: manifest)
        }
        guard Int64(status.st_size) == manifest.size else {
            let sizes = "\(HumanText.count(Int64(status.st_size))) bytes long instead of \(HumanText.count(manifest.size))"
            throw Unusable(reason: "its dump is \(sizes)", manifest: manifest)
        }
        return Backup(directory: directory, name: name, manifest: manifest)
    }
}
