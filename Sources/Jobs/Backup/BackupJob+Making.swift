import Command
import Glibc
import Postgres
import Schedule

extension BackupJob {
    /// A backup that has just been published.
    struct MadeBackup: Sendable {
        let backup: Backup
        /// What the programs wrote to standard error although they succeeded.
        let warnings: [String]
    }

    /// Dumps, checks, publishes.
    func make(_ preparation: Preparation, in context: JobContext) async throws(JobError) -> MadeBackup {
        let startedAt = context.clock.now()
        let place = try await newPlace(database: preparation.facts.database, startedAt: startedAt, run: context.runID)
        do throws(JobError) {
            return try await make(place, startedAt: startedAt, preparation, in: context)
        } catch {
            await BlockingWork.run { () throws(Never) in place.file.discard() }
            throw error
        }
    }

    private func make(
        _ place: Place, startedAt: Instant, _ preparation: Preparation, in context: JobContext
    ) async throws(JobError) -> MadeBackup {
        let facts = preparation.facts
        let begin = context.clock.elapsed()
        let outcome = try await dump(into: place.file, preparation, in: context)
        try check(outcome, place.file)
        let measurements = try await finish(place.file)
        if case .unknownLayout(let version) = outcome.verdict {
            // Rare, so its time does not matter: a pg_dump newer than this program.
            try await readBack(place.file.path, layout: version, preparation, in: context)
        }
        let duration = context.clock.elapsed() - begin
        let manifest = BackupManifest(
            id: place.id, file: place.name.dump, job: name, run: context.runID, database: facts.database, host: Self.hostName(),
            serverVersion: facts.serverVersion,
            programs: BackupManifest.Programs(
                pgDump: preparation.programs.version.description, zstd: preparation.zstdVersion?.description),
            startedAt: startedAt, endedAt: context.clock.now(), duration: (duration / .milliseconds(1)).rounded() / 1000,
            size: measurements.size, uncompressedSize: outcome.uncompressedSize, sha256: measurements.sha256,
            compression: options.compression, encoding: facts.encoding, locale: facts.locale, databaseSize: facts.size,
            warnings: outcome.warnings.count)
        try await publish(place, manifest, run: context.runID)
        return MadeBackup(
            backup: Backup(directory: options.directory, name: place.name, manifest: manifest),
            warnings: outcome.warnings.lines)
    }

    // MARK: Steps

    /// A name that no other backup bears, and the file under its preliminary form.
    struct Place: Sendable {
        let name: BackupName
        let id: String
        let file: DumpFile
    }

    /// Chooses the name. The folder is locked meanwhile, since another job may begin in the same second.
    func newPlace(database: String, startedAt: Instant, run: String) async throws(JobError) -> Place {
        let directory = options.directory
        do throws(FileFailure) {
            return try await BlockingWork.run { () throws(FileFailure) -> Place in
                let lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                guard lock >= 0 else { throw .last("open", directory) }
                defer { close(lock) }
                // Where a file system knows no locks, two jobs of one second and one database are told apart by O_EXCL alone.
                _ = flock(lock, LOCK_EX)
                let taken = try Folder.names(in: directory).compactMap(BackupName.role).map(\.name.stem)
                var ordinal = 1
                while true {
                    let name = BackupName(database: database, startedAt: startedAt, ordinal: ordinal, job: self.name)
                    let beginning = BackupName.beginning(database: database, startedAt: startedAt, ordinal: ordinal)
                    guard taken.contains(where: { $0.hasPrefix(beginning) }) else {
                        return Place(
                            name: name,
                            id: BackupName.identifier(database: database, startedAt: startedAt, ordinal: ordinal),
                            file: try DumpFile(path: "\(directory)/\(name.partialDump(run: run))"))
                    }
                    ordinal += 1
                }
            }
        } catch {
            throw JobError(error)
        }
    }

    private func dump(
        into file: DumpFile, _ preparation: Preparation, in context: JobContext
    ) async throws(JobError) -> DumpPipeline.Outcome {
        let facts = preparation.facts
        let access = try ClientAccess(
            to: context.database.target.with(database: facts.database), applicationName: "pgcaretaker \(name)",
            inheriting: context.childEnvironment, directory: context.privateDirectory)
        defer { access.remove() }
        let wait = Int64((options.lockTimeout / .milliseconds(1)).rounded(.up))
        let pipeline = DumpPipeline(
            dump: Program(
                executable: preparation.programs.dump,
                arguments: [
                    "--format=custom", "--compress=0", "--no-password", "--lock-wait-timeout=\(wait)",
                    "--dbname=\(access.connectionString)",
                ], environment: access.environment, niceness: options.nice),
            compressor: Program(
                executable: preparation.zstd,
                arguments: ["-q", "-\(options.level)", "-T\(options.threads)", "-c"],
                environment: ["PATH": ClientAccess.path(in: context.childEnvironment), "LC_ALL": "C"],
                niceness: options.nice))
        let expected = preparation.previous?.manifest.uncompressedSize ?? facts.size
        do throws(JobError) {
            return try await pipeline.run(into: file) { bytes in
                context.progress.report(
                    Progress(phase: "dumping", completed: bytes, total: max(expected, bytes), unit: .bytes))
            }
        } catch {
            guard error.code == .diskFull else { throw error }
            throw JobError(
                .diskFull, "\(error.message), after \(HumanText.bytes(file.size)) of the backup",
                hint: error.hint, details: error.details)
        }
    }

    /// Whether what came through is a whole dump, whatever the programs' exit statuses say.
    private func check(_ outcome: DumpPipeline.Outcome, _ file: DumpFile) throws(JobError) {
        if case .broken(let reason) = outcome.verdict {
            throw JobError(
                .programFailed, "pg_dump reported success, but \(reason)",
                hint: "Nothing was kept of it; look at the server's log and at the program that pg_dump is.",
                details: outcome.warnings.lines.isEmpty ? nil : outcome.warnings.lines.joined(separator: "\n"))
        }
        guard file.beginsAsZstd else {
            throw JobError(.programFailed, "zstd reported success, but what it wrote is not in the format of Zstandard")
        }
    }

    private func finish(_ file: DumpFile) async throws(JobError) -> DumpFile.Measurements {
        do throws(FileFailure) {
            return try await BlockingWork.run { () throws(FileFailure) in try file.finish() }
        } catch {
            throw JobError(error)
        }
    }

    private func readBack(
        _ path: String, layout: String, _ preparation: Preparation, in context: JobContext
    ) async throws(JobError) {
        guard let restore = preparation.programs.restore else {
            throw JobError(
                .programMissing,
                "the dump is of the archive version \(layout), and no pg_restore is beside \(preparation.programs.dump) to check it",
                hint: "Install the package postgresql-client-\(preparation.programs.version.major).")
        }
        try await ArchiveReader(
            zstd: preparation.zstd, restore: restore, path: ClientAccess.path(in: context.childEnvironment), niceness: options.nice
        )
        .read(path)
    }

    private func publish(_ place: Place, _ manifest: BackupManifest, run: String) async throws(JobError) {
        // A cancelled run must not publish: its caller has been told that there is no backup.
        guard !Task.isCancelled else { throw .cancelled }
        let json: [UInt8]
        do throws(BackupManifest.Unreadable) {
            json = try manifest.json()
        } catch {
            throw JobError(.unexpected, "the manifest could not be written: \(error)")
        }
        let publication = BackupPublication(
            directory: options.directory, name: place.name, run: run, manifest: json, dump: place.file)
        do throws(FileFailure) {
            try await BlockingWork.run { () throws(FileFailure) in try publication.publish() }
        } catch {
            throw JobError(error)
        }
    }

    /// This machine's name.
    static func hostName() -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
