import Command
import Logging
import Postgres
import Schedule

/// Dumps a database with `pg_dump -Fc` through `zstd` into a file, publishes it once it is proven to be whole, and deletes what the
/// retention does not keep.
package struct BackupJob: Job {
    /// `backup`.
    package static let kind = "backup"
    /// For the manual.
    package static let summary = "dumps the database with pg_dump through zstd, checks the dump, and prunes old ones"
    /// What the configuration accepts.
    package static let options = BackupOptions.specifications
    /// A night without a backup is a night without a backup.
    package static let catchesUpByDefault = true
    /// What is deleted are copies, and a clock that is wrong is watched for where it is decided what goes.
    package static let isDestructive = false

    /// The job's name in the configuration.
    let name: String
    /// Its options.
    let options: BackupOptions

    /// Makes the job; `nil` if `problems` gets an error.
    package init?(name: String, options: OptionValues, problems: inout [OptionProblem]) {
        guard let options = BackupOptions(options, problems: &problems) else { return nil }
        self.name = name
        self.options = options
    }

    /// Where the backups go, an absolute path: what the commands for backups look into.
    package var directory: String { options.directory }

    /// How many backups stay.
    package var keep: PruningPolicy { options.keep }

    /// The only folder in which PostgreSQL's client programs are looked for; `nil` for the usual ones.
    package var programDirectory: String? { options.programDirectory }

    /// Makes one backup.
    package func run(in context: JobContext) async throws(JobError) -> JobSummary {
        let preparation = try await prepare(in: context)
        guard !context.isDryRun else { return try await dryRun(preparation, in: context) }
        try await BlockingWork.run { () throws(JobError) in try BackupFolder.prepare(options.directory) }
        try await sweep(in: context)
        let made = try await make(preparation, in: context)
        return await finish(made, preparation, in: context)
    }

    // MARK: Before

    /// What is known before anything is written.
    struct Preparation: Sendable {
        let facts: BackupQueries.DatabaseFacts
        let programs: ClientPrograms
        let zstd: String
        let zstdVersion: ProgramVersion?
        /// The last good backup of this job and database.
        let previous: Backup?
        /// How far the server's clock is from ours.
        let clockDifference: Duration
        let need: SpaceNeed
        /// Bytes that are free where the backup goes.
        let free: Int64
    }

    func prepare(in context: JobContext) async throws(JobError) -> Preparation {
        let path = ClientAccess.path(in: context.childEnvironment)
        let zstd = try Zstandard.find(path: path)
        let connection = try await context.connect(lockTimeout: options.lockTimeout)
        let facts: BackupQueries.DatabaseFacts
        let ours = context.clock.now()
        do throws(JobError) {
            facts = try await BackupQueries.facts(connection)
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
        let search = ClientPrograms.Search(directory: options.programDirectory, path: path)
        let programs = try await ClientPrograms.find(search, serverMajor: facts.serverMajor)
        let zstdVersion = try await version(of: zstd, path: path)

        let directory = options.directory
        let (previous, free) = try await BlockingWork.run { () throws(JobError) -> (Backup?, Int64) in
            let place: String
            var previous: Backup?
            switch BackupFolder.condition(of: directory) {
            case .unfit(let reason, let hint): throw JobError(.fileSystem, reason, hint: hint)
            case .missing: place = Folder.parent(of: directory)
            case .ready:
                place = directory
                previous = try BackupCatalogue.read(directory).backups(job: name, database: facts.database).first
            }
            do throws(FileFailure) {
                return (previous, try Folder.freeSpace(at: place))
            } catch {
                throw JobError(error)
            }
        }
        let need = SpaceNeed(
            lastBackup: previous.map { ($0.manifest.size, $0.manifest.databaseSize) }, databaseSize: facts.size)
        try need.check(free: free, at: directory)
        return Preparation(
            facts: facts, programs: programs, zstd: zstd, zstdVersion: zstdVersion, previous: previous,
            clockDifference: facts.serverTime - ours, need: need, free: free)
    }

    /// The compressor's version is good to know, but nothing depends on it.
    private func version(of zstd: String, path: String) async throws(JobError) -> ProgramVersion? {
        do throws(JobError) {
            return try await ProgramVersion.ask(zstd, path: path)
        } catch {
            if error.code == .cancelled { throw error }
            return nil
        }
    }

    private func sweep(in context: JobContext) async throws(JobError) {
        let directory = options.directory
        let removed: [String]
        do throws(FileFailure) {
            removed = try await BlockingWork.run { () throws(FileFailure) in try LeftoverSweep.run(in: directory) }
        } catch {
            throw JobError(error)
        }
        guard !removed.isEmpty else { return }
        context.logger.notice(
            "removed from \(directory) what an interrupted run left behind: \(removed.joined(separator: ", "))",
            metadata: ["event": "leftover-removed"])
    }

    // MARK: After

    private func finish(_ made: MadeBackup, _ preparation: Preparation, in context: JobContext) async -> JobSummary {
        let backup = made.backup
        var warnings = made.warnings
        var kept = 1
        var outcome = BackupPruner.Outcome()
        do throws(JobError) {
            let catalogue = try await BackupCatalogue.load(options.directory)
            let plan = PruningPlan(
                backups: catalogue.backups(job: name, database: preparation.facts.database), policy: options.keep,
                zone: context.zone,
                now: context.clock.now(), clockDifference: preparation.clockDifference)
            if let hold = plan.hold { warnings.append(hold.description) }
            outcome = await BackupPruner(run: context.runID).carryOut(plan)
            warnings += outcome.failures.map { "backup \($0.backup.id) could not be pruned: \($0.reason)" }
            kept = plan.kept.count + outcome.failures.count
            warnings += catalogue.damaged.prefix(5).map { "backup \($0.name) cannot be used: \($0.reason)" }
        } catch {
            // The backup is made and safe; that the others could not be looked at does not make it a failure.
            warnings.append("old backups were not pruned: \(error.message)")
        }
        let manifest = backup.manifest
        let sizes = "\(HumanText.bytes(manifest.size)) (\(HumanText.bytes(manifest.uncompressedSize)) before compression)"
        let removed = outcome.removed.isEmpty ? "" : ", \(HumanText.count(Int64(outcome.removed.count))) removed"
        return JobSummary(
            "\(manifest.database) backed up to \(backup.dumpPath): \(sizes), \(HumanText.count(Int64(kept), "backup")) kept\(removed)",
            measures: [
                Measure("bytes_written", manifest.size), Measure("bytes_dumped", manifest.uncompressedSize),
                Measure("database_bytes", manifest.databaseSize), Measure("backups_kept", Int64(kept)),
                Measure("backups_removed", Int64(outcome.removed.count)),
            ], warnings: warnings, path: backup.dumpPath)
    }
}
