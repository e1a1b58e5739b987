import Command
import Crypto
import Synchronization

/// Proves that a backup is what it was when it was made, and that a restore could read it.
package struct BackupVerifier: Sendable {
    /// The only folder in which PostgreSQL's client programs are looked for; `nil` for the usual ones.
    package let programDirectory: String?
    /// The environment that children may see.
    package let environment: [String: String]
    /// Receives how far the reading has come.
    package let progress: ProgressSink

    /// A verifier that uses this host's programs.
    package init(programDirectory: String? = nil, environment: [String: String] = [:], progress: ProgressSink = .none) {
        self.programDirectory = programDirectory
        self.environment = environment
        self.progress = progress
    }

    /// Checks the file's SHA-256, then lets pg_restore read the whole dump.
    ///
    /// - Throws: ``JobError`` of code `backup-damaged` if either finds fault, `program-missing` or `program-too-old` if there is no
    ///   pg_restore that could tell.
    package func verify(_ backup: Backup) async throws(JobError) {
        try await checkSum(backup)
        try await reader(for: backup).read(backup.dumpPath)
    }

    /// Checks the file's size and SHA-256 against the manifest.
    ///
    /// - Throws: ``JobError`` of code `backup-damaged`.
    package func checkSum(_ backup: Backup) async throws(JobError) {
        let path = ClientAccess.path(in: environment)
        guard let cat = ExecutableSearch(path: path).find("cat") else {
            throw JobError(.programMissing, "the program cat was not found")
        }
        let hasher = Mutex((sha256: SHA256(), bytes: Int64(0)))
        let result: PipelineResult
        do throws(PipelineError) {
            // Through a pipe, so that neither the disk nor the arithmetic holds up Swift's cooperative pool, and a cancelled task ends it.
            result = try await Pipeline([
                Program(executable: cat, environment: ["LC_ALL": "C"], niceness: BackupOptions.defaultNice)
            ]).run(
                input: .file(backup.dumpPath),
                output: .stream { bytes in
                    let done = hasher.withLock { hasher in
                        hasher.sha256.update(bufferPointer: bytes)
                        hasher.bytes += Int64(bytes.count)
                        return hasher.bytes
                    }
                    progress.report(
                        Progress(phase: "checking the checksum", completed: done, total: backup.manifest.size, unit: .bytes))
                })
        } catch {
            throw JobError(error, doing: "reading \(backup.dumpPath)")
        }
        if let failure = result.firstFailure { throw JobError(failure, doing: "reading \(backup.dumpPath)") }
        let (digest, size) = hasher.withLock { (Checksum.hexadecimal($0.sha256.finalize()), $0.bytes) }
        guard size == backup.manifest.size else {
            throw JobError(
                .backupDamaged,
                "the dump of \(backup.id) is \(HumanText.count(size)) bytes long instead of \(HumanText.count(backup.manifest.size))"
            )
        }
        guard digest == backup.manifest.sha256 else {
            throw JobError(
                .backupDamaged, "the dump of \(backup.id) has changed since it was made: its checksum is not that of the manifest",
                hint: "Use another backup, and look for the cause in the disk below \(backup.directory).",
                details: "SHA-256 \(digest)\nmanifest \(backup.manifest.sha256)")
        }
    }

    func reader(for backup: Backup) async throws(JobError) -> ArchiveReader {
        let path = ClientAccess.path(in: environment)
        let zstd = try Zstandard.find(path: path)
        return ArchiveReader(zstd: zstd, restore: try await restoreProgram(for: backup), path: path)
    }

    /// A pg_restore that can read the backup: of the version that made it, or later.
    func restoreProgram(for backup: Backup) async throws(JobError) -> String {
        let search = ClientPrograms.Search(directory: programDirectory, path: ClientAccess.path(in: environment))
        let major = ProgramVersion(line: backup.manifest.programs.pgDump)?.major ?? 1
        let programs = try await ClientPrograms.find(search, serverMajor: major)
        guard let restore = programs.restore else {
            throw JobError(
                .programMissing, "there is no pg_restore beside \(programs.dump)",
                hint: "Install Debian's package postgresql-client-\(programs.version.major).")
        }
        return restore
    }
}
