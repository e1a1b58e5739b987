import Configuration
import Foundation
import Glibc
import History
import Jobs
import Logging
import Postgres
import Schedule
import Scheduler
import Systemd
import UnixSignals

/// The process that systemd starts: scheduler, watchdog, signals.
package struct ServiceDaemon: Sendable {
    /// How often more time is asked for while running jobs come to their end, ten seconds each.
    private static let stopExtensions = 9

    private let configurationPath: String
    private let environment: [String: String]
    private let notifier: ServiceNotifier
    private let logger: Logger

    /// A daemon over a configuration file.
    package init(configurationPath: String, environment: [String: String], logger: Logger) {
        self.configurationPath = configurationPath
        self.environment = environment
        notifier = .ofProcess()
        self.logger = logger
    }

    /// Runs until a signal ends it.
    ///
    /// - Parameter signals: SIGTERM and SIGINT to stop, SIGHUP to reload, SIGUSR1 to look at what commands have written.
    /// - Returns: the status to exit with.
    package func run(_ signals: UnixSignalsSequence) async -> Int32 {
        let configuration: Configuration
        do throws(ConfigurationErrors) {
            configuration = try ConfigurationLoader(path: configurationPath, environment: environment).load()
        } catch {
            ConfigurationJournal.refused(error, isReload: false, logger: logger)
            notifier.failing(exitStatus: 78, status: "the configuration is not valid; see the journal")
            return 78
        }
        ConfigurationJournal.warnings(configuration, logger: logger)

        let opened: Caretaker
        do throws(Caretaker.Failure) {
            opened = try Caretaker(
                stateDirectory: configuration.stateDirectory, environment: environment, logger: logger)
        } catch {
            return fail(error)
        }
        guard case .taken(let daemonLock) = opened.lockDaemon() else {
            return fail(
                Caretaker.Failure(
                    "another daemon works in \(configuration.stateDirectory)",
                    hint: "Stop that one first, or give this one a state_directory of its own.", exitStatus: 75))
        }
        defer { withExtendedLifetime(daemonLock) {} }
        // For the commands that tell the daemon that there is something new to read.
        daemonLock.write("\(getpid())\n")
        if let damaged = opened.damagedHistory { tellOfNewHistory(damaged.path, damaged.reason) }
        let caretaker: Caretaker
        let memory: [JobKey: JobMemory]
        do throws(Caretaker.Failure) {
            (caretaker, memory) = try await recall(configuration, opened)
        } catch {
            return fail(error)
        }

        let timer: SystemWakeTimer
        do throws(SystemWakeTimer.Failure) {
            timer = try SystemWakeTimer()
            try timer.start()
        } catch {
            return fail(Caretaker.Failure("the kernel gives no timer: \(String(cString: strerror(error.errno)))", exitStatus: 75))
        }
        let carrier = SchedulerCarrier(caretaker: caretaker, notifier: notifier, configuration: configuration)
        let dispatcher = Dispatcher(
            maxParallel: configuration.maxParallelJobs, clock: SystemWallClock(), timer: timer, carrier: carrier)
        dispatcher.plan(JobPlan.plans(of: configuration), memory: memory, maxParallel: configuration.maxParallelJobs)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await dispatcher.run() }
            // The heartbeat is answered once the plan has been taken: the scheduler is armed.
            _ = await dispatcher.heartbeat()
            notifier.ready()
            await carrier.refreshPauses()
            let count = configuration.jobs.count { $0.isEnabled }
            logger.info(
                "started with \(HumanText.count(Int64(count), "job")) on \(HumanText.count(Int64(configuration.databases.count), "database"))",
                metadata: ["event": "\(JournalEvent.daemonStarted.rawValue)"])
            group.addTask { await lookForDatabases(configuration, carrier) }
            group.addTask { await feedWatchdog(dispatcher) }
            group.addTask { await obey(signals, dispatcher, carrier, caretaker) }
            // The scheduler is the first to end; what only serves it goes with it.
            _ = await group.next()
            while !(await dispatcherHasEnded(dispatcher)) { _ = await group.next() }
            group.cancelAll()
        }
        logger.info("stopped", metadata: ["event": "\(JournalEvent.daemonStopped.rawValue)"])
        return 0
    }

    private func dispatcherHasEnded(_ dispatcher: Dispatcher) async -> Bool {
        await dispatcher.hasEnded
    }

    private func fail(_ failure: Caretaker.Failure) -> Int32 {
        logger.critical(
            "\(failure.message)\(failure.hint.map { ". \($0)" } ?? "")",
            metadata: ["event": "\(JournalEvent.startFailed.rawValue)"])
        notifier.failing(exitStatus: failure.exitStatus, status: failure.message)
        return failure.exitStatus
    }

    private func tellOfNewHistory(_ aside: String, _ reason: String) {
        logger.error(
            "the history was damaged (\(reason)); a new one has begun, the old file is \(aside). Backups are not affected.",
            metadata: ["event": "\(JournalEvent.historyRebuilt.rawValue)", "path": "\(aside)"])
    }

    // MARK: - Plans

    /// What the history knows of the jobs, and who goes on with it: somebody with a new one if it is damaged so deep that this
    /// shows only when it is read.
    private func recall(
        _ configuration: Configuration, _ opened: Caretaker
    ) async throws(Caretaker.Failure) -> (Caretaker, [JobKey: JobMemory]) {
        do throws(History.Failure) {
            return (opened, try await remember(configuration, opened))
        } catch {
            guard case .damaged(let path, let reason) = error else { throw Caretaker.failure(error) }
            do throws(History.Failure) {
                opened.history.abandon()
                tellOfNewHistory(try History.setAside(path: path, at: opened.clock.now()), reason)
            } catch {
                throw Caretaker.failure(error)
            }
        }
        let caretaker = try Caretaker(
            stateDirectory: configuration.stateDirectory, environment: environment, logger: logger)
        do throws(History.Failure) {
            return (caretaker, try await remember(configuration, caretaker))
        } catch {
            throw Caretaker.failure(error)
        }
    }

    /// What the history knows of the jobs, after the runs that were cut off have got their end.
    private func remember(
        _ configuration: Configuration, _ caretaker: Caretaker
    ) async throws(History.Failure) -> [JobKey: JobMemory] {
        let now = caretaker.clock.now()
        try await caretaker.history.forgetRuns(startedBefore: now - configuration.historyKeep)
        var interrupted: [JobKey: InterruptedRun] = [:]
        for var run in try await caretaker.history.unfinishedRuns() {
            // A run by hand in another process holds the lock and is well. Of those by schedule none is: there is one daemon.
            if run.trigger == .manual {
                guard case .taken = caretaker.lock(job: run.key.job) else { continue }
            }
            run.endedAt = now
            run.outcome = .failed
            run.errorCode = JobError.Code.interrupted.rawValue
            run.message = "interrupted: the process that ran it ended"
            run.hint = "It is tried again by the job's retries; see the journal for why the process ended."
            try await caretaker.history.end(run)
            RunJournal.ended(run, details: nil, duration: now - run.startedAt, logger: logger)
            if let fire = run.scheduledAt { interrupted[run.key] = InterruptedRun(fire: fire, attempt: run.attempt) }
        }
        var memory = try await caretaker.history.remember(schedules(of: configuration), at: now)
        for (key, run) in interrupted { memory[key]?.interrupted = run }
        return memory
    }

    private func schedules(of configuration: Configuration) -> [JobKey: String] {
        var schedules: [JobKey: String] = [:]
        for job in configuration.jobs where job.isEnabled {
            for database in job.databases { schedules[JobKey(job: job.name, database: database)] = job.scheduleText }
        }
        return schedules
    }

    // MARK: - Services

    /// Says early, and once, that a database is not there; nothing waits for it.
    private func lookForDatabases(_ configuration: Configuration, _ carrier: SchedulerCarrier) async {
        for database in configuration.databases.values {
            do throws(PostgresError) {
                let options = SessionOptions(applicationName: "pgcaretaker")
                await (try PostgresConnection.connect(to: database.target, options: options)).close()
            } catch {
                // A daemon that is told to stop in its first second has not found out anything.
                guard !error.isCancelled else { return }
                let reason = JobError(connecting: error, to: database.target).message
                carrier.note(database: database.name, isReachable: false, reason: reason)
            }
        }
    }

    /// Tells systemd that all is well only as long as the scheduler says so itself.
    private func feedWatchdog(_ dispatcher: Dispatcher) async {
        guard let watchdog = WatchdogSettings.ofProcess() else { return }
        while !Task.isCancelled {
            if await dispatcher.heartbeat() {
                notifier.watchdog()
            } else if !(await dispatcher.hasEnded) {
                logger.critical(
                    "the scheduler's timer is overdue; systemd will restart the service",
                    metadata: ["event": "\(JournalEvent.watchdogStalled.rawValue)"])
            }
            // Without a tolerance: with a short interval, a sign of life that much later would be too late.
            try? await Task.sleep(for: watchdog.pingInterval)
        }
    }

    private func obey(
        _ signals: UnixSignalsSequence, _ dispatcher: Dispatcher, _ carrier: SchedulerCarrier, _ caretaker: Caretaker
    ) async {
        await withTaskGroup(of: Void.self) { group in
            var isStopping = false
            for await signal in signals {
                if signal == .sighup {
                    if !isStopping { await reload(dispatcher, carrier, caretaker) }
                    continue
                }
                if signal == .sigusr1 {
                    await noteControls(dispatcher, carrier, caretaker)
                    continue
                }
                // A second signal means: now. Children are in groups of their own and go by their pipes.
                guard !isStopping else { exit(1) }
                isStopping = true
                carrier.beginStopping()
                notifier.stopping(status: "stopping; running jobs are being cancelled")
                logger.info("stopping", metadata: ["event": "\(JournalEvent.daemonStopping.rawValue)"])
                dispatcher.stop()
                group.addTask {
                    // A cancelled pg_dump gets some seconds to end; systemd shall not lose patience before, but neither wait
                    // for ever for a run that does not end.
                    for _ in 0..<Self.stopExtensions where !Task.isCancelled {
                        notifier.extendTimeout(by: .seconds(20))
                        try? await Task.sleep(for: .seconds(10))
                    }
                }
            }
            group.cancelAll()
        }
    }

    /// A command has paused or resumed something.
    private func noteControls(_ dispatcher: Dispatcher, _ carrier: SchedulerCarrier, _ caretaker: Caretaker) async {
        await carrier.refreshPauses()
        // Without a fire that is still to come in the history, the clock is what a person has said is right.
        if (try? await caretaker.history.hasTrustedFire(after: caretaker.clock.now())) == false { dispatcher.trustClock() }
    }

    private func reload(_ dispatcher: Dispatcher, _ carrier: SchedulerCarrier, _ caretaker: Caretaker) async {
        notifier.reloading(status: "reading the configuration")
        do throws(ConfigurationErrors) {
            let configuration = try ConfigurationLoader(path: configurationPath, environment: environment).load()
            ConfigurationJournal.warnings(configuration, logger: logger)
            let changes = carrier.configuration.changes(to: configuration)
            do throws(History.Failure) {
                let memory = try await caretaker.history.remember(schedules(of: configuration), at: caretaker.clock.now())
                carrier.configuration = configuration
                dispatcher.plan(JobPlan.plans(of: configuration), memory: memory, maxParallel: configuration.maxParallelJobs)
                _ = await dispatcher.heartbeat()
                ConfigurationJournal.reloaded(changes, logger: logger)
                notifier.ready(status: "configuration reloaded: \(changes.sentence)")
            } catch {
                logger.error(
                    "the configuration is not reloaded: \(Caretaker.failure(error).message)",
                    metadata: ["event": "\(JournalEvent.configurationRefused.rawValue)"])
                notifier.ready(status: "configuration not reloaded; the old one stays in force")
            }
        } catch {
            ConfigurationJournal.refused(error, isReload: true, logger: logger)
            notifier.ready(status: "new configuration refused; the old one stays in force")
        }
    }
}
