/// A complete backup in a folder: a dump and the manifest that tells of it.
package struct Backup: Sendable, Hashable {
    /// The folder, an absolute path.
    package let directory: String
    /// What its files are called.
    package let name: BackupName
    /// What is known of it.
    package let manifest: BackupManifest

    /// A backup of known parts; nothing is looked up.
    package init(directory: String, name: BackupName, manifest: BackupManifest) {
        self.directory = directory
        self.name = name
        self.manifest = manifest
    }

    /// What it is called on the command line.
    package var id: String { manifest.id }
    /// Where the dump is.
    package var dumpPath: String { "\(directory)/\(name.dump)" }
    /// Where the manifest is.
    package var manifestPath: String { "\(directory)/\(name.manifest)" }

    /// Whether one backup comes before another in a list that begins with the newest.
    package static func isNewer(_ left: Backup, _ right: Backup) -> Bool {
        left.manifest.startedAt == right.manifest.startedAt
            ? left.id > right.id : left.manifest.startedAt > right.manifest.startedAt
    }
}

/// Something in a folder of backups that is not complete, or does not fit together.
package struct DamagedBackup: Sendable, Hashable {
    /// What its files are called.
    package let name: BackupName
    /// What its manifest says, if there is one to be read.
    package let manifest: BackupManifest?
    /// What is wrong, lower case, no final stop.
    package let reason: String
}
