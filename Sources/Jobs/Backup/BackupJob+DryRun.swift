import Schedule

extension BackupJob {
    /// Says what a run would do: which pg_dump, how much room, what would be pruned.
    func dryRun(_ preparation: Preparation, in context: JobContext) async throws(JobError) -> JobSummary {
        let facts = preparation.facts
        var parts = [
            "would dump \(facts.database) (\(HumanText.bytes(facts.size))) of PostgreSQL \(facts.serverVersion) with \(preparation.programs.dump) \(preparation.programs.version) to \(options.directory)",
            "which needs about \(HumanText.bytes(preparation.need.bytes)) of \(HumanText.bytes(preparation.free)) free",
        ]
        var removals: [Backup] = []
        var kept = 0
        var warnings: [String] = []
        let directory = options.directory
        let catalogue = await BlockingWork.run { () throws(Never) in
            try? BackupCatalogue.read(directory)
        }
        if let catalogue {
            let now = context.clock.now()
            let plan = PruningPlan(
                // The backup that the run would make takes part in the decision.
                backups: catalogue.backups(job: name, database: facts.database) + [placeholder(preparation, now)],
                policy: options.keep, zone: context.zone, now: now, clockDifference: preparation.clockDifference)
            removals = plan.removals
            kept = plan.kept.count
            if let hold = plan.hold { warnings.append(hold.description) }
            warnings += catalogue.damaged.prefix(5).map { "backup \($0.name) cannot be used: \($0.reason)" }
        } else {
            parts.append("the folder would be made")
            kept = 1
        }
        let backups = HumanText.count(Int64(kept), "backup")
        parts.append(
            removals.isEmpty
                ? "\(backups) would be kept and none removed"
                : "\(backups) would be kept and \(HumanText.count(Int64(removals.count))) removed: \(removals.map(\.id).joined(separator: ", "))"
        )
        return JobSummary(
            parts.joined(separator: ", "),
            measures: [
                Measure("database_bytes", facts.size), Measure("backups_kept", Int64(kept)),
                Measure("backups_removed", Int64(removals.count)),
            ], warnings: warnings)
    }

    private func placeholder(_ preparation: Preparation, _ now: Instant) -> Backup {
        let facts = preparation.facts
        let name = BackupName(database: facts.database, startedAt: now, job: name)
        let manifest = BackupManifest(
            id: BackupName.identifier(database: facts.database, startedAt: now), file: name.dump, job: self.name, run: "",
            database: facts.database, host: "", serverVersion: facts.serverVersion,
            programs: BackupManifest.Programs(pgDump: "", zstd: nil), startedAt: now, endedAt: now, duration: 0, size: 0,
            uncompressedSize: 0, sha256: "", compression: options.compression, encoding: facts.encoding, locale: facts.locale,
            databaseSize: facts.size, warnings: 0)
        return Backup(directory: options.directory, name: name, manifest: manifest)
    }
}
