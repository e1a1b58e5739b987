import CLinux
import Configuration
import History
import Jobs
import Logging
import Schedule
import Scheduler
import Synchronization
import Systemd

/// Carries out the scheduler's decisions with the configuration that is in force.
final class SchedulerCarrier: RunCarrier {
    private struct State {
        var configuration: Configuration
        var overview: SchedulerOverview?
        var unreachable: Set<String> = []
        var lastEnding: String?
        var pauses: [String: Pause] = [:]
        var folds: [JobKey: Fold] = [:]
        /// The kind of every job that there is, or was until a reload.
        var kinds: [String: String] = [:]
        var lastForgetting: Instant?
        var isStopping = false
    }

    /// Fires that were skipped for one reason after the first, which was told.
    private struct Fold {
        let reason: SkipReason
        var count = 0
    }

    private let caretaker: Caretaker
    private let supervisor: RunSupervisor
    private let statusLine: StatusLine
    private let logger: Logger
    private let state: Mutex<State>

    init(caretaker: Caretaker, notifier: ServiceNotifier, configuration: Configuration) {
        self.caretaker = caretaker
        supervisor = RunSupervisor(
            caretaker: caretaker, coordinator: Coordinator.demanded(by: configuration, clock: caretaker.clock))
        statusLine = StatusLine { notifier.status($0) }
        logger = caretaker.logger
        state = Mutex(State(configuration: configuration, kinds: Self.kinds(configuration)))
    }

    /// The configuration that the next run is started with; a run that is going keeps its own.
    var configuration: Configuration {
        get { state.withLock { $0.configuration } }
        set {
            state.withLock { state in
                state.configuration = newValue
                state.kinds.merge(Self.kinds(newValue)) { _, new in new }
                // Nobody will ever tell that one which is gone can be reached again.
                state.unreachable.formIntersection(newValue.databases.keys)
            }
        }
    }

    private static func kinds(_ configuration: Configuration) -> [String: String] {
        Dictionary(configuration.jobs.map { ($0.name, $0.kind) }, uniquingKeysWith: { _, last in last })
    }

    private func kind(_ job: String) -> String { state.withLock { $0.kinds[job] ?? "" } }

    func carryOut(_ order: RunOrder) async -> RunVerdict {
        let configuration = configuration
        guard let job = configuration.job(named: order.key.job), let database = configuration.databases[order.key.database]
        else {
            // A reload came in between.
            await record(
                SkippedFire(key: order.key, fire: order.fire, reason: .removed, passed: nil, attempt: order.attempt))
            return .settled
        }
        if await isPaused(order.key.job) {
            await record(
                SkippedFire(key: order.key, fire: order.fire, reason: .paused, passed: nil, attempt: order.attempt))
            return .settled
        }
        unfold(order.key)
        if order.trigger == .catchUp {
            logger.notice(
                "making up for the fire of \(order.fire.rfc3339), which was missed",
                metadata: [
                    "event": "\(JournalEvent.catchUp.rawValue)", "job": "\(order.key.job)", "kind": "\(job.kind)",
                    "database": "\(order.key.database)", "trigger": "catch-up", "scheduled_at": "\(order.fire.rfc3339)",
                ])
        }
        let ending = await supervisor.run(
            job, on: database, trigger: order.trigger, fire: order.fire, attempt: order.attempt, until: order.until)
        switch ending.elsewhere {
        case .running: return .takenElsewhere
        case .done(let succeeded): return succeeded ? .succeeded : .settled
        case nil: break
        }
        note(ending.record)
        unfold(order.key)
        await forgetOldRuns()
        // A dump passes through buffers of megabytes on threads of their own; without this the C library keeps what they leave
        // behind for the next night.
        malloc_trim(0)
        if ending.wasNotBegun { return .notBegun }
        if ending.record.outcome == .succeeded { return .succeeded }
        return ending.isWorthRetrying ? .failedTransiently : .settled
    }

    /// Old runs are let go of once a day, while the daemon is awake for a run anyway.
    private func forgetOldRuns() async {
        let now = caretaker.clock.now()
        let keep = state.withLock { state -> Duration? in
            if let last = state.lastForgetting, now - last < .seconds(86400), now >= last { return nil }
            state.lastForgetting = now
            return state.configuration.historyKeep
        }
        guard let keep else { return }
        do throws(History.Failure) {
            try await caretaker.history.forgetRuns(startedBefore: now - keep)
        } catch {
            logger.warning(
                "old runs cannot be removed from the history: \(Caretaker.failure(error).message)",
                metadata: ["event": "\(JournalEvent.historyUnavailable.rawValue)"])
        }
    }

    // MARK: - Pauses

    /// Reads anew which jobs are paused, and shows it.
    func refreshPauses() async {
        guard let pauses = try? await caretaker.history.pauses(at: caretaker.clock.now()) else { return }
        let text = state.withLock { state in
            state.pauses = pauses
            return status(state)
        }
        statusLine.show(text)
    }

    /// Asked of the history each time, so that a pause holds whether or not anybody told the daemon of it.
    private func isPaused(_ job: String) async -> Bool {
        guard let pauses = try? await caretaker.history.pauses(at: caretaker.clock.now()) else {
            return state.withLock { $0.pauses[job] != nil }
        }
        return state.withLock { state in
            state.pauses = pauses
            return pauses[job] != nil
        }
    }

    // MARK: - Skipped fires

    func record(_ skipped: SkippedFire) async {
        let now = caretaker.clock.now()
        var record = RunRecord(
            id: RunSupervisor.identifier(at: now), key: skipped.key,
            kind: kind(skipped.key.job), trigger: skipped.attempt > 1 ? .retry : .schedule,
            attempt: skipped.attempt, scheduledAt: skipped.fire, startedAt: now)
        record.endedAt = now
        record.outcome = .skipped
        record.skipReason = skipped.reason
        record.message = skipped.detail ?? skipped.reason.words
        record.passed = skipped.passed
        do throws(History.Failure) {
            try await caretaker.history.record(skipped: record)
        } catch {
            logger.error(
                "a skipped fire cannot be recorded: \(Caretaker.failure(error).message)",
                metadata: ["event": "\(JournalEvent.historyUnavailable.rawValue)", "job": "\(skipped.key.job)"])
        }
        guard skipped.reason != .elsewhere else { return RunJournal.skipped(record, logger: logger) }
        let isRepeated = state.withLock { state in
            guard state.folds[skipped.key]?.reason == skipped.reason else {
                return false
            }
            state.folds[skipped.key]?.count += 1
            return true
        }
        guard !isRepeated else { return }
        unfold(skipped.key)
        state.withLock { $0.folds[skipped.key] = Fold(reason: skipped.reason) }
        RunJournal.skipped(record, logger: logger)
    }

    /// Tells how often a job was skipped since that was told first, once something else becomes of it.
    private func unfold(_ key: JobKey) {
        guard let fold = state.withLock({ $0.folds.removeValue(forKey: key) }), fold.count > 0 else { return }
        RunJournal.folded(
            key, kind: kind(key.job), reason: fold.reason, count: fold.count, logger: logger)
    }

    func announce(_ action: SchedulerAction) async {
        switch action {
        case .announceRetry(let order, let at):
            do throws(History.Failure) {
                try await caretaker.history.noteRetry(
                    of: order.key, fire: order.fire, afterAttempt: order.attempt - 1, at: at)
            } catch {
                logger.warning(
                    "that it is tried again cannot be recorded, and would be forgotten by a restart: \(Caretaker.failure(error).message)",
                    metadata: metadata(.historyUnavailable, order))
            }
            logger.notice(
                "will be tried again at \(at.wallTime(in: configuration.zone)) (attempt \(order.attempt))",
                metadata: metadata(.retryScheduled, order))
        case .announceGivenUp(let order):
            logger.warning(
                "failed \(order.attempt) times and is not tried again before its next fire",
                metadata: metadata(.retriesExhausted, order))
        case .announceClockSetBack(let step):
            logger.warning(
                "the clock went back by \(HumanText.duration(step)); what ran already is not repeated",
                metadata: ["event": "\(JournalEvent.clockChanged.rawValue)"])
        case .announceClockBehind(let until):
            logger.critical(
                "the clock is behind the last recorded fire, \(until.wallTime(in: configuration.zone)); jobs that delete are held until it has passed. If the clock is right now, say so: pgcaretaker resume JOB, for one of them",
                metadata: ["event": "\(JournalEvent.clockBehind.rawValue)"])
        case .announceClockCaughtUp:
            logger.notice(
                "jobs that delete are no longer held for the clock",
                metadata: ["event": "\(JournalEvent.clockChanged.rawValue)"])
        case .start, .record: break
        }
    }

    private func metadata(_ event: JournalEvent, _ order: RunOrder) -> Logger.Metadata {
        [
            "event": "\(event.rawValue)", "job": "\(order.key.job)", "database": "\(order.key.database)",
            "kind": "\(kind(order.key.job))", "attempt": "\(order.attempt)",
            "trigger": "\(order.trigger.rawValue)", "scheduled_at": "\(order.fire.rfc3339)",
        ]
    }

    // MARK: - Status

    func schedulerChanged(_ overview: SchedulerOverview) async {
        let text = state.withLock { state -> String? in
            guard state.overview != overview else { return nil }
            state.overview = overview
            return status(state)
        }
        if let text { statusLine.show(text) }
    }

    /// Notes that a database cannot be reached, or can be again, and says so once.
    func note(database: String, isReachable: Bool, reason: String?) {
        let changed = state.withLock { state in
            isReachable ? state.unreachable.remove(database) != nil : state.unreachable.insert(database).inserted
        }
        guard changed else { return }
        if isReachable {
            logger.notice(
                "database \(database) can be reached again",
                metadata: ["event": "\(JournalEvent.databaseBack.rawValue)", "database": "\(database)"])
        } else {
            logger.warning(
                "database \(database) cannot be reached: \(reason ?? "no answer"). Its jobs fail and are tried again until it is back.",
                metadata: ["event": "\(JournalEvent.databaseUnreachable.rawValue)", "database": "\(database)"])
        }
        statusLine.show(state.withLock { status($0) })
    }

    /// From now on the status line says that the daemon stops.
    func beginStopping() {
        state.withLock { $0.isStopping = true }
    }

    private func note(_ record: RunRecord) {
        if record.errorCode == JobError.Code.databaseUnreachable.rawValue {
            note(database: record.key.database, isReachable: false, reason: record.message)
        } else if record.outcome == .succeeded {
            note(database: record.key.database, isReachable: true, reason: nil)
        }
        guard let outcome = record.outcome, outcome != .skipped else { return }
        state.withLock { state in
            let at = (record.endedAt ?? record.startedAt).wallTime(in: state.configuration.zone)
            state.lastEnding = "last: \(record.key.job) \(outcome.rawValue) at \(at)"
        }
    }

    private func status(_ state: State) -> String {
        var parts: [String] = []
        if state.isStopping { parts.append("stopping") }
        if !state.unreachable.isEmpty {
            parts.append("DEGRADED: cannot reach database \(state.unreachable.sorted().joined(separator: ", "))")
        }
        if let overview = state.overview {
            if overview.heldUntil != nil { parts.append("HELD: the clock is behind, nothing is deleted") }
            if !overview.running.isEmpty {
                parts.append("running \(Set(overview.running.map(\.key.job)).sorted().joined(separator: ", "))")
            }
            if overview.waitingCount > 0 { parts.append("\(overview.waitingCount) waiting") }
            if let key = overview.nextKey, let fire = overview.nextFire, !state.isStopping {
                parts.append("next: \(key.job) at \(fire.wallTime(in: state.configuration.zone))")
            }
        }
        let now = caretaker.clock.now()
        let paused = state.pauses.values.filter { $0.until.map { $0 > now } ?? true }.map(\.job).sorted()
        if !paused.isEmpty { parts.append("paused: \(paused.joined(separator: ", "))") }
        if let last = state.lastEnding { parts.append(last) }
        return parts.isEmpty ? "no job is configured" : parts.joined(separator: "; ")
    }
}
