import ArgumentParser
import Configuration
import Daemon
import Foundation
import Jobs
import Postgres
import Report
import Schedule
import UnixSignals

struct BackupsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backups", abstract: "List, verify, restore and prune backups.",
        subcommands: [List.self, Verify.self, Restore.self, Prune.self], defaultSubcommand: List.self)

    /// The backup jobs of the configuration, after stepping down to the user who owns the backups.
    static func jobs(_ configuration: Configuration, named name: String?) throws -> [(JobConfiguration, BackupJob)] {
        let jobs = configuration.jobs.compactMap { job in (job.job as? BackupJob).map { (job, $0) } }
            .filter { name == nil || $0.0.name == name }
        guard !jobs.isEmpty else {
            throw Terminal.fail(
                name.map { "there is no backup job \"\($0)\"" } ?? "no job of kind backup is configured",
                hint: "Backups are found in the directory of such a job.", status: 64)
        }
        try Identity.stepDownToOwner(of: jobs[0].1.directory)
        return jobs
    }

    static func catalogue(_ job: BackupJob) async throws -> BackupCatalogue {
        do throws(JobError) {
            return try await BackupCatalogue.load(job.directory)
        } catch {
            throw Terminal.fail(error.message, hint: error.hint, status: error.exitStatus)
        }
    }

    static func directories(_ jobs: [(JobConfiguration, BackupJob)]) -> [BackupJob] {
        var seen: Set<String> = []
        return jobs.map(\.1).filter { seen.insert($0.directory).inserted }
    }

    /// The backup of that id, or the newest of a database.
    ///
    /// - Parameter database: of which `latest` is meant; where there are backups of several, it must be said.
    static func find(
        _ wanted: String, of database: String?, _ jobs: [(JobConfiguration, BackupJob)]
    ) async throws -> (BackupJob, Backup) {
        var found: [(BackupJob, Backup)] = []
        var databases: Set<String> = []
        var failure: JobError?
        for job in directories(jobs) {
            let catalogue = try await catalogue(job)
            if wanted == "latest" {
                databases.formUnion(catalogue.backups.map(\.manifest.database))
                guard database == nil else {
                    // The newest comes first.
                    if let newest = catalogue.backups.first(where: { $0.manifest.database == database }) {
                        found.append((job, newest))
                    }
                    continue
                }
            }
            do throws(JobError) {
                found.append((job, try catalogue.backup(wanted)))
            } catch {
                failure = error
            }
        }
        if databases.count > 1, database == nil {
            throw Terminal.fail(
                "there are backups of \(databases.sorted().joined(separator: ", ")), so latest could be any of them",
                hint: "Say which with --database, or give an ID.", status: 64)
        }
        if let database, wanted == "latest", found.isEmpty {
            throw Terminal.fail(
                "there is no complete backup of \(database)", hint: "`pgcaretaker backups list` shows what there is.", status: 1)
        }
        if let newest = found.sorted(by: { Backup.isNewer($0.1, $1.1) }).first { return newest }
        throw Terminal.fail(
            failure?.message ?? "there is no backup \(wanted)", hint: failure?.hint ?? "See pgcaretaker backups list.", status: 1)
    }

    static func verifier(_ job: BackupJob, progress: ProgressSink) -> BackupVerifier {
        BackupVerifier(
            programDirectory: job.programDirectory,
            environment: ChildEnvironment.filtered(ProcessInfo.processInfo.environment), progress: progress)
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "The backups, newest first.")

        @OptionGroup var file: ConfigurationOption
        @OptionGroup var json: JSONOption
        @Option(help: "Only of this job.") var job: String?

        func run() async throws {
            let configuration = try file.load()
            var table = TextTable(["ID", "DATABASE", "TAKEN", "TOOK", "SIZE", "JOB", "STATE"], rightAligned: [3, 4])
            var values: [JSONValue] = []
            for backupJob in BackupsCommand.directories(try BackupsCommand.jobs(configuration, named: job)) {
                let catalogue = try await BackupsCommand.catalogue(backupJob)
                for backup in catalogue.backups.sorted(by: Backup.isNewer) where job == nil || backup.manifest.job == job {
                    let manifest = backup.manifest
                    table.add([
                        backup.id, manifest.database, manifest.startedAt.wallTime(in: configuration.zone),
                        HumanText.duration(manifest.endedAt - manifest.startedAt), HumanText.bytes(manifest.size), manifest.job,
                        "complete",
                    ])
                    values.append(
                        .object([
                            ("id", .text(backup.id)), ("job", .text(manifest.job)), ("database", .text(manifest.database)),
                            ("state", .text("complete")), ("reason", .null), ("path", .text(backup.dumpPath)),
                            ("started_at", .text(manifest.startedAt.rfc3339)), ("ended_at", .text(manifest.endedAt.rfc3339)),
                            ("duration", .seconds(manifest.endedAt - manifest.startedAt)), ("size", .integer(manifest.size)),
                            ("uncompressed_size", .integer(manifest.uncompressedSize)),
                            ("database_size", .integer(manifest.databaseSize)), ("sha256", .text(manifest.sha256)),
                            ("server_version", .text(manifest.serverVersion)), ("pg_dump_version", .text(manifest.programs.pgDump)),
                            ("host", .text(manifest.host)), ("compression", .text(manifest.compression)),
                        ]))
                }
                for damaged in catalogue.damaged where job == nil || damaged.manifest?.job == job {
                    table.add([damaged.name.dump, damaged.manifest?.database ?? "", "", "", "", "", "DAMAGED: \(damaged.reason)"])
                    values.append(
                        .object([
                            ("id", .optional(damaged.manifest?.id)), ("job", .optional(damaged.manifest?.job)),
                            ("database", .optional(damaged.manifest?.database)), ("state", .text("damaged")),
                            ("reason", .text(damaged.reason)), ("path", .text("\(backupJob.directory)/\(damaged.name.dump)")),
                            ("started_at", .null), ("ended_at", .null), ("duration", .null), ("size", .null),
                            ("uncompressed_size", .null), ("database_size", .null), ("sha256", .null), ("server_version", .null),
                            ("pg_dump_version", .null), ("host", .null), ("compression", .null),
                        ]))
                }
            }
            if json.isOn {
                Terminal.say(JSONValue.array(values).text)
            } else {
                Terminal.say(values.isEmpty ? "no backup yet" : table.text)
            }
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify",
            abstract: "Check a backup's checksum and let pg_restore read all of it; every backup without an ID.")

        @OptionGroup var file: ConfigurationOption
        @OptionGroup var json: JSONOption
        @Argument(help: "The backup's ID, or latest.") var id: String?
        @Option(help: "The database of which latest is meant.") var database: String?

        func run() async throws {
            let configuration = try file.load()
            let jobs = try BackupsCommand.jobs(configuration, named: nil)
            var values: [JSONValue] = []
            var backups: [(BackupJob, Backup)] = []
            var damaged: [DamagedBackup] = []
            if let id {
                backups = [try await BackupsCommand.find(id, of: database, jobs)]
            } else {
                for job in BackupsCommand.directories(jobs) {
                    let catalogue = try await BackupsCommand.catalogue(job)
                    backups += catalogue.backups.map { (job, $0) }
                    damaged += catalogue.damaged
                    for broken in catalogue.damaged {
                        values.append(
                            Self.json(
                                broken.manifest?.id, path: "\(job.directory)/\(broken.name.dump)", reason: broken.reason))
                    }
                }
            }
            var status: Int32 = 0
            for broken in damaged {
                if !json.isOn { Terminal.complain("DAMAGED \(broken.name.dump): \(broken.reason)") }
                status = 65
            }
            for (job, backup) in backups {
                let progress = ProgressLine(name: backup.id)
                var failure: JobError?
                do throws(JobError) {
                    try await BackupsCommand.verifier(job, progress: progress.sink).verify(backup)
                } catch {
                    failure = error
                    status = max(status, error.exitStatus)
                }
                progress.clear()
                values.append(Self.json(backup.id, path: backup.dumpPath, reason: failure?.message))
                guard !json.isOn else { continue }
                if let failure {
                    Terminal.complain("DAMAGED \(backup.id): \(failure.message)")
                    if let hint = failure.hint { Terminal.complain("  HINT: \(hint)") }
                } else {
                    Terminal.say("\(backup.id): intact, \(HumanText.bytes(backup.manifest.size))")
                }
            }
            if json.isOn { Terminal.say(JSONValue.array(values).text) }
            if status != 0 { throw ExitCode(status) }
        }

        private static func json(_ id: String?, path: String, reason: String?) -> JSONValue {
            .object([
                ("id", .optional(id)), ("path", .text(path)), ("intact", .boolean(reason == nil)), ("reason", .optional(reason)),
            ])
        }
    }

    struct Restore: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "restore", abstract: "Restore a backup into a database of another name.")

        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The backup's ID, or latest.") var id = "latest"
        @Option(help: "The database of which latest is meant.") var database: String?
        @Option(help: "The database to make.") var into: String
        @Flag(help: "Put a database of that name aside, if there is one; it keeps its rows under another name.") var replace = false

        func run() async throws {
            let configuration = try file.load()
            let jobs = try BackupsCommand.jobs(configuration, named: nil)
            let (job, backup) = try await BackupsCommand.find(id, of: database, jobs)
            guard
                let owner = configuration.jobs.first(where: { $0.name == backup.manifest.job })
                    ?? configuration.jobs.first(where: { ($0.job as? BackupJob) != nil }),
                let server = server(of: backup, owner, configuration)
            else { throw Terminal.fail("no database is configured to restore beside", status: 78) }
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("pgcaretaker-restore-\(UUID().uuidString)")
            try FileManager.default.createDirectory(
                at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            defer { try? FileManager.default.removeItem(at: folder) }
            let progress = ProgressLine(name: backup.id)
            let restorer = BackupRestorer(
                target: server.target, verifier: BackupsCommand.verifier(job, progress: progress.sink),
                privateDirectory: folder.path, clock: SystemJobClock())
            // A half-restored database and the file with the password go also when somebody loses patience.
            let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
            let (wanted, isReplacing) = (into, replace)
            let work = Task { () async -> Result<BackupRestorer.Outcome, JobError> in
                do throws(JobError) {
                    return .success(try await restorer.restore(backup, into: wanted, replacing: isReplacing))
                } catch {
                    return .failure(error)
                }
            }
            let interruption = Task {
                for await _ in signals { work.cancel() }
            }
            let result = await work.value
            interruption.cancel()
            do throws(JobError) {
                let outcome = try result.get()
                progress.clear()
                for warning in outcome.warnings { Terminal.complain("warning: \(warning)") }
                Terminal.say("restored \(backup.id) into \(outcome.database)")
                if let replaced = outcome.replaced {
                    Terminal.say("the database that was there is now \(replaced); drop it when you no longer need it")
                }
            } catch {
                progress.clear()
                throw Terminal.fail(error.message, hint: error.hint, details: error.details, status: error.exitStatus)
            }
        }

        /// Where the database was that the backup is of, if that is still configured; else where the job's first database is.
        private func server(
            of backup: Backup, _ job: JobConfiguration, _ configuration: Configuration
        ) -> DatabaseAccess? {
            let databases = job.databases.compactMap { configuration.databases[$0] }
            return databases.first { $0.target.database == backup.manifest.database } ?? databases.first
        }
    }

    struct Prune: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "prune", abstract: "Delete the backups that no slot of keep holds.")

        @OptionGroup var file: ConfigurationOption
        @OptionGroup var json: JSONOption
        @Flag(help: "Say what would go and why the others stay.") var dryRun = false
        @Option(help: "Only of this job.") var job: String?

        func run() async throws {
            let configuration = try file.load()
            var table = TextTable(["ID", "DATABASE", "TAKEN", "DECISION"])
            var values: [JSONValue] = []
            var status: Int32 = 0
            for (job, backupJob) in try BackupsCommand.jobs(configuration, named: job) {
                let catalogue = try await BackupsCommand.catalogue(backupJob)
                let databases = Set(catalogue.backups.filter { $0.manifest.job == job.name }.map(\.manifest.database)).sorted()
                for database in databases {
                    let plan = PruningPlan(
                        backups: catalogue.backups(job: job.name, database: database), policy: backupJob.keep,
                        zone: job.schedule.zone, now: SystemJobClock().now())
                    if let hold = plan.hold { Terminal.complain("\(job.name), \(database): nothing is deleted: \(hold)") }
                    for decision in plan.decisions {
                        let manifest = decision.backup.manifest
                        let why = decision.isKept ? "keep: " + decision.reasons.map { "\($0)" }.joined(separator: ", ") : "delete"
                        table.add([decision.backup.id, database, manifest.startedAt.wallTime(in: job.schedule.zone), why])
                        values.append(
                            .object([
                                ("id", .text(decision.backup.id)), ("job", .text(job.name)), ("database", .text(database)),
                                ("started_at", .text(manifest.startedAt.rfc3339)), ("kept", .boolean(decision.isKept)),
                                ("reasons", .array(decision.reasons.map { .text("\($0)") })),
                            ]))
                    }
                    guard !dryRun else { continue }
                    let outcome = await BackupPruner(run: "prune").carryOut(plan)
                    for failure in outcome.failures {
                        Terminal.complain("\(failure.backup.id) cannot be deleted: \(failure.reason)")
                        status = 1
                    }
                    if !json.isOn {
                        Terminal.say(
                            "\(job.name), \(database): \(HumanText.count(Int64(outcome.removed.count), "backup")) deleted, \(plan.decisions.count - outcome.removed.count) kept"
                        )
                    }
                }
            }
            if json.isOn {
                Terminal.say(JSONValue.array(values).text)
            } else if dryRun {
                Terminal.say(values.isEmpty ? "no backup yet" : table.text)
            }
            if status != 0 { throw ExitCode(status) }
        }
    }
}
