import ArgumentParser
import Command
import Configuration
import Daemon
import Foundation
import Glibc
import History
import Jobs
import Logging
import Postgres
import Report
import Schedule
import UnixSignals

struct TryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "try",
        abstract: "Make a private PostgreSQL with sample data, run all jobs once, and show what they did.")

    @Flag(help: "Keep the server and all files, and say how to connect.") var keep = false

    func run() async throws {
        // PostgreSQL refuses to run as root, and trying something out needs none of root's rights.
        let isStartedByRoot = ProcessUser.isRoot
        if isStartedByRoot {
            guard let user = ProcessUser.unprivileged() else {
                throw Terminal.fail(
                    "there is no unprivileged user to run as", hint: "Install Debian's package postgresql.", status: 77)
            }
            do {
                try ProcessUser.stepDown(to: user)
                setenv("HOME", user.home, 1)
                _ = chdir("/")
            } catch {
                throw Terminal.fail("cannot become \(user.name): \(error)", status: 77)
            }
        }
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
        // A reader of the output that has gone, as head(1) does, must not end this process with the server still there.
        signal(SIGPIPE, SIG_IGN)
        let work = Task { () async throws -> Void in try await perform(isStartedByRoot: isStartedByRoot) }
        let interruption = Task {
            for await _ in signals { work.cancel() }
        }
        Terminal.whenOutputIsLost { work.cancel() }
        let result = await work.result
        interruption.cancel()
        if work.isCancelled, case .failure = result {
            throw Terminal.fail("interrupted; everything has been removed", status: 1)
        }
        try result.get()
    }

    private func perform(isStartedByRoot: Bool) async throws {
        let begun = ContinuousClock.now
        for leftover in PrivateCluster.sweepOrphans(in: "/tmp") { Terminal.complain("removed \(leftover), left by an earlier try") }
        Terminal.say("Starting a private PostgreSQL …")
        let cluster: PrivateCluster
        do throws(PrivateClusterError) {
            cluster = try await PrivateCluster.start()
        } catch {
            throw Terminal.fail(error.message, hint: error.hint, details: error.details, status: 69)
        }
        let folder = "\(cluster.directory)/caretaker"
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            try await show(cluster, folder: folder)
        } catch {
            await cluster.remove()
            throw error
        }
        let took = HumanText.duration(begun.duration(to: .now))
        if keep {
            cluster.keep()
            // Root may connect and look, but pg_ctl is for the one who owns the server.
            let asOwner = isStartedByRoot ? "runuser -u \(ProcessUser.current().name) -- " : ""
            let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "pgcaretaker"
            Terminal.say(
                """

                All is kept in \(cluster.directory) (\(took) in all).
                  connect:  \(asOwner)psql -h \(cluster.socketDirectory) -p \(cluster.port) -U postgres school_erp
                  look:     \(program) jobs --config \(folder)/pgcaretaker.toml
                  end:      \(asOwner)\(cluster.programs.directory)/pg_ctl -D \(cluster.dataDirectory) stop && rm -r \(cluster.directory)
                """)
        } else {
            await cluster.remove()
            Terminal.say("\nEverything has been removed (\(took) in all). With --keep it stays.")
        }
    }

    private func show(_ cluster: PrivateCluster, folder: String) async throws {
        Terminal.say("Filling it with a school's data: 200,000 activities over 180 days, 20,000 users …")
        do throws(PostgresError) {
            let first = try await PostgresConnection.connect(to: cluster.target)
            try await first.execute("CREATE DATABASE school_erp")
            await first.close()
            let connection = try await PostgresConnection.connect(to: cluster.target.with(database: "school_erp"))
            _ = try await connection.simple(SampleData.schema)
            _ = try await connection.simple(SampleData.rows(activities: 200_000, users: 20_000, days: 180))
            _ = try await connection.simple(SampleData.indexes)
            await connection.close()
        } catch {
            throw Terminal.fail("the sample data cannot be made: \(error.message)", status: 1)
        }
        let path = "\(folder)/pgcaretaker.toml"
        try Data(configurationText(cluster, folder: folder).utf8).write(to: URL(fileURLWithPath: path))
        chmod(path, 0o600)
        let configuration: Configuration
        do throws(ConfigurationErrors) {
            configuration = try ConfigurationLoader(path: path, environment: ["PATH": "/usr/bin:/bin"]).load()
        } catch {
            throw Terminal.fail(error.problems.map { "\($0)" }.joined(separator: "\n"), status: 78)
        }
        let caretaker: Caretaker
        do throws(Caretaker.Failure) {
            caretaker = try Caretaker(
                stateDirectory: configuration.stateDirectory,
                environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"],
                logger: CommandLog.logger(level: .critical))
        } catch {
            throw Terminal.fail(error)
        }
        Terminal.say("\nRunning every job once:")
        let supervisor = RunSupervisor(caretaker: caretaker)
        var failed = false
        for job in configuration.jobs {
            try Task.checkCancellation()
            guard let database = configuration.databases["main"] else { continue }
            let progress = ProgressLine(name: job.name)
            let ending = await supervisor.run(job, on: database, trigger: .manual, fire: nil, progress: progress.sink)
            progress.clear()
            let record = ending.record
            let took = record.endedAt.map { HumanText.duration($0 - record.startedAt) } ?? ""
            Terminal.say(
                "  \(job.name): \(record.message ?? "")\(record.outcome == .succeeded ? "" : " (\(record.outcome?.rawValue ?? ""))"), in \(took)"
            )
            if let hint = record.hint { Terminal.say("    HINT: \(hint)") }
            failed = failed || record.outcome != .succeeded
        }
        try Task.checkCancellation()
        try await summarize(configuration, caretaker)
        if failed { throw Terminal.fail("a job failed", status: 1) }
    }

    private func summarize(_ configuration: Configuration, _ caretaker: Caretaker) async throws {
        let now = caretaker.clock.now()
        if let job = configuration.job(named: "nightly-backup")?.job as? BackupJob,
            let backup = try await BackupsCommand.catalogue(job).backups.first
        {
            Terminal.say(
                "\nThe backup: \(backup.dumpPath)\n  \(HumanText.bytes(backup.manifest.size)), SHA-256 \(backup.manifest.sha256)")
        }
        do throws(History.Failure) {
            if let sample = try await caretaker.history.sample(of: "main", notAfter: now) {
                Terminal.say(
                    "\nThe tables: "
                        + RunReports.table(sample, RunReports.sizes(sample, day: nil, week: nil), zone: configuration.zone))
            }
        } catch {
            throw Terminal.fail(Caretaker.failure(error))
        }
        var table = TextTable(["JOB", "SCHEDULE", "NEXT"])
        for job in configuration.jobs {
            table.add([
                job.name, job.schedule.expression.text, job.schedule.next(after: now)?.wallTime(in: job.schedule.zone) ?? "never",
            ])
        }
        Terminal.say("The next fires (\(configuration.zone.identifier)):\n" + table.text)
    }

    private func configurationText(_ cluster: PrivateCluster, folder: String) -> String {
        """
        state_directory = "\(folder)/state"

        [database]
        url = "host=\(cluster.socketDirectory) port=\(cluster.port) user=postgres dbname=school_erp"

        [jobs.activity-cleanup]
        kind = "retention"
        schedule = "0 2 * * 0"
        table = "activities"
        column = "createdAt"
        keep = "90d"

        [jobs.reset-token-purge]
        kind = "token-purge"
        schedule = "*/15 * * * *"
        table = "users"
        token = "passwordResetToken"
        expires = "passwordResetExpires"

        [jobs.nightly-backup]
        kind = "backup"
        schedule = "0 2 * * *"
        directory = "\(folder)/backups"
        pg_bin = "\(cluster.programs.directory)"

        [jobs.table-sizes]
        kind = "table-sizes"
        schedule = "0 * * * *"

        """
    }
}
