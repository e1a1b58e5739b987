/// How a dump that is complete becomes a backup: in steps, after each of which a crash leaves no file that bears a backup's name
/// without being one.
///
/// The manifest comes first, because a manifest alone is no backup, whereas a dump that bears its final name must have one. Deleting
/// goes the same way back (``BackupRemoval``), so there is one rule for what an interruption leaves behind (``LeftoverSweep``).
struct BackupPublication {
    /// What is done, in this order.
    enum Step: CaseIterable {
        /// The manifest is written under a name of its own, and is on the disk.
        case writeManifest
        /// The manifest gets its final name.
        case nameManifest
        /// The manifest's name is on the disk: without that, a power cut might leave the dump's and not the manifest's.
        case syncManifestName
        /// The dump gets its final name. From here on it is a backup.
        case nameDump
        /// The dump's name is on the disk.
        case syncDumpName
    }

    /// Where it is published.
    let directory: String
    /// What the files are called.
    let name: BackupName
    /// The run that does it.
    let run: String
    /// The manifest's JSON.
    let manifest: [UInt8]
    /// The dump, complete and on the disk.
    let dump: DumpFile

    /// Does one step.
    func perform(_ step: Step) throws(FileFailure) {
        switch step {
        case .writeManifest: try Folder.write(manifest, toNew: partialManifest)
        case .nameManifest: try Folder.rename(partialManifest, to: "\(directory)/\(name.manifest)")
        case .syncManifestName, .syncDumpName: try Folder.sync(directory)
        case .nameDump: try dump.rename(to: "\(directory)/\(name.dump)")
        }
    }

    /// Does all steps. If one fails, nothing of the backup is left under a final name.
    func publish() throws(FileFailure) {
        do throws(FileFailure) {
            for step in Step.allCases { try perform(step) }
        } catch {
            // In reverse: the dump must not bear its name without a manifest.
            try? Folder.remove("\(directory)/\(name.dump)")
            try? Folder.remove("\(directory)/\(name.manifest)")
            try? Folder.remove(partialManifest)
            throw error
        }
    }

    private var partialManifest: String { "\(directory)/\(name.partialManifest(run: run))" }
}

/// How a backup is deleted: dump and manifest together, in the reverse order of how it was published.
struct BackupRemoval {
    /// What is done, in this order.
    enum Step: CaseIterable {
        /// The dump loses its final name. From here on it is no backup.
        case hideDump
        /// That is on the disk, so that no power cut leaves a dump without its manifest.
        case syncHiding
        /// The manifest goes.
        case removeManifest
        /// The dump goes.
        case removeDump
    }

    /// What is deleted.
    let backup: Backup
    /// The run that does it.
    let run: String

    /// Does one step.
    func perform(_ step: Step) throws(FileFailure) {
        let hidden = "\(backup.directory)/\(backup.name.partialDump(run: run))"
        switch step {
        case .hideDump: try Folder.rename(backup.dumpPath, to: hidden)
        case .syncHiding: try Folder.sync(backup.directory)
        case .removeManifest: try Folder.remove(backup.manifestPath)
        case .removeDump: try Folder.remove(hidden)
        }
    }

    /// Does all steps.
    func remove() throws(FileFailure) {
        for step in Step.allCases { try perform(step) }
    }
}
