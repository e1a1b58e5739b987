import History
import Schedule

/// What the scheduler must know of a job on one of its databases.
package struct JobPlan: Hashable, Sendable {
    /// The job and its database.
    package let key: JobKey
    /// When it is due.
    package let schedule: ZonedSchedule
    /// Whether a missed fire is made up for.
    package let catchesUp: Bool
    /// How late a missed fire may be made up for; `nil`: however late.
    package let catchUpWithin: Duration?
    /// How often a failed run is tried again.
    package let retries: Int
    /// How long to wait before the first retry; each further one waits twice as long as the one before.
    package let retryDelay: Duration

    /// A job with its schedule.
    package init(
        key: JobKey, schedule: ZonedSchedule, catchesUp: Bool, catchUpWithin: Duration?, retries: Int,
        retryDelay: Duration
    ) {
        self.key = key
        self.schedule = schedule
        self.catchesUp = catchesUp
        self.catchUpWithin = catchUpWithin
        self.retries = retries
        self.retryDelay = retryDelay
    }
}

/// What a run is started with.
package struct RunOrder: Hashable, Sendable {
    /// The job and its database.
    package let key: JobKey
    /// The instant at which the schedule was due.
    package let fire: Instant
    /// Why it is started.
    package let trigger: Trigger
    /// 1 for the first try at this fire.
    package let attempt: Int

    /// An order to run.
    package init(key: JobKey, fire: Instant, trigger: Trigger, attempt: Int) {
        self.key = key
        self.fire = fire
        self.trigger = trigger
        self.attempt = attempt
    }
}

/// Fires that do not become runs, told as one record.
package struct SkippedFire: Hashable, Sendable {
    /// The job and its database.
    package let key: JobKey
    /// The latest of them.
    package let fire: Instant
    /// Why.
    package let reason: SkipReason
    /// The earlier ones, if there are any.
    package let passed: PassedFires?

    /// Fires that were passed.
    package init(key: JobKey, fire: Instant, reason: SkipReason, passed: PassedFires?) {
        self.key = key
        self.fire = fire
        self.reason = reason
        self.passed = passed
    }
}

/// How a run that was ordered came out, as far as the scheduler cares.
package enum RunVerdict: Hashable, Sendable {
    /// The fire is done with: it succeeded, failed for good, was cancelled or skipped.
    case settled
    /// It failed, and may succeed a little later.
    case failedTransiently
    /// It could not even be recorded, so it was not begun.
    case notBegun
}

/// What happens to the scheduler.
package enum SchedulerEvent: Sendable {
    /// The jobs that there are from now on, and what the history remembers of those that were not known before.
    case planned([JobPlan], memory: [JobKey: JobMemory])
    /// Time has passed, or the clock was set.
    case tick
    /// A run has ended.
    case ended(RunOrder, RunVerdict)
    /// No run may start any more.
    case stop
}

/// What the scheduler wants done.
package enum SchedulerAction: Hashable, Sendable {
    /// Start a run.
    case start(RunOrder)
    /// Record fires that do not become runs.
    case record(SkippedFire)
    /// Say that a failed run is tried again.
    case announceRetry(RunOrder, at: Instant)
    /// Say that a run failed so often that it is not tried again before its next fire.
    case announceGivenUp(RunOrder)
    /// Say that the clock went back.
    case announceClockSetBack(by: Duration)
}

/// When every job runs: a state that takes an event at an instant and returns what to do.
///
/// It reads no clock, waits for nothing and records nothing. Uniqueness of runs does not rest on it alone: a fire that
/// it orders twice, because the clock went back, is refused by the history's claim.
package struct SchedulerState: Sendable {
    /// How late a fire may be and still count as on time. A machine under load is not a missed fire.
    package static let allowedLateness = Duration.seconds(60)
    /// The longest wait between two attempts.
    package static let longestRetryDelay = Duration.seconds(3600)
    /// How long to wait when a run could not be recorded (a full disk under the history).
    package static let recordRetryDelay = Duration.seconds(60)
    /// More passed fires than this are not counted one by one.
    package static let countLimit = 100_000

    private enum Phase: Hashable, Sendable {
        /// Nothing to do before the next fire.
        case idle
        /// Due, but every slot is taken or the job runs on another of its databases; smaller tickets go first.
        case waiting(RunOrder, ticket: Int)
        /// Handed out, and not ended yet.
        case running(RunOrder)
    }

    private struct Entry: Sendable {
        var plan: JobPlan
        /// Every fire up to here has been decided.
        var decidedUntil: Instant
        /// The first fire after `decidedUntil`; `nil` if the schedule has ended.
        var next: Instant?
        var phase: Phase = .idle
        var retry: (order: RunOrder, at: Instant)?
        /// Taken out of the configuration while it runs.
        var isRemoved = false
    }

    private var entries: [JobKey: Entry] = [:]
    private var lastInstant: Instant?
    private var nextTicket = 0
    private var isStopping = false
    /// How many runs there may be at once.
    package var maxParallel: Int

    /// A scheduler without jobs.
    package init(maxParallel: Int) {
        self.maxParallel = maxParallel
    }

    /// The runs that have been handed out and not ended, by job.
    package var running: [RunOrder] {
        entries.values.compactMap { if case .running(let order) = $0.phase { order } else { nil } }
            .sorted { $0.key < $1.key }
    }

    /// The runs that are due and wait for their turn.
    package var waitingCount: Int {
        entries.values.count { if case .waiting = $0.phase { true } else { false } }
    }

    /// The next fire or retry of any job.
    package var nextWake: Instant? {
        guard !isStopping else { return nil }
        var earliest: Instant?
        for entry in entries.values where !entry.isRemoved {
            if let next = entry.next { earliest = min(earliest ?? next, next) }
            if entry.phase == .idle, let at = entry.retry?.at { earliest = min(earliest ?? at, at) }
        }
        return earliest
    }

    /// The fire that comes next, and whose it is.
    package var nextFire: (key: JobKey, at: Instant)? {
        entries.values.filter { !$0.isRemoved }.compactMap { entry in entry.next.map { (entry.plan.key, $0) } }
            .min { ($0.1, $0.0) < ($1.1, $1.0) }
    }

    /// When a job is due next; `nil` if it is not known or never due again.
    package func nextFire(of key: JobKey) -> Instant? {
        entries[key].flatMap { $0.isRemoved ? nil : $0.next }
    }

    /// Takes an event at an instant of the wall clock.
    package mutating func handle(_ event: SchedulerEvent, at now: Instant) -> [SchedulerAction] {
        var actions: [SchedulerAction] = []
        actions += adjustToClock(now)
        switch event {
        case .planned(let plans, let memory): plan(plans, memory: memory, at: now)
        case .tick: break
        case .ended(let order, let verdict): actions += end(order, verdict, at: now)
        case .stop:
            isStopping = true
            for key in entries.keys {
                if case .waiting = entries[key]?.phase { entries[key]?.phase = .idle }
                entries[key]?.retry = nil
            }
        }
        if !isStopping {
            for key in entries.keys.sorted() { actions += decide(key, at: now) }
            actions += startWaiting()
        }
        return actions
    }

    // MARK: - Clock

    /// A clock that went back makes the fires of the repeated time come again. Those that ran are refused by their
    /// claim; those that had been jumped over get their turn.
    private mutating func adjustToClock(_ now: Instant) -> [SchedulerAction] {
        defer { lastInstant = now }
        guard let last = lastInstant, now < last else { return [] }
        for key in entries.keys {
            guard var entry = entries[key], entry.decidedUntil > now else { continue }
            entry.decidedUntil = now
            entry.next = entry.plan.schedule.next(after: now)
            if let retry = entry.retry { entry.retry = (retry.order, min(retry.at, now + Self.longestRetryDelay)) }
            entries[key] = entry
        }
        let step = last - now
        // The clock is disciplined by small steps all the time; those are nobody's concern.
        return step > .seconds(1) ? [.announceClockSetBack(by: step)] : []
    }

    // MARK: - Configuration

    private mutating func plan(_ plans: [JobPlan], memory: [JobKey: JobMemory], at now: Instant) {
        let keys = Set(plans.map(\.key))
        for key in entries.keys where !keys.contains(key) {
            if case .running = entries[key]?.phase {
                entries[key]?.isRemoved = true
                entries[key]?.retry = nil
            } else {
                entries[key] = nil
            }
        }
        for plan in plans {
            if var entry = entries[plan.key] {
                if entry.plan.schedule != plan.schedule || entry.isRemoved {
                    // The new schedule has no past: nothing of it can have been missed.
                    entry.decidedUntil = now
                    entry.next = plan.schedule.next(after: now)
                }
                entry.plan = plan
                entry.isRemoved = false
                entries[plan.key] = entry
                continue
            }
            let remembered = memory[plan.key]
            let known = remembered.map { max($0.firstSeen, $0.lastFire ?? $0.firstSeen) } ?? now
            let decidedUntil = min(known, now)
            var entry = Entry(plan: plan, decidedUntil: decidedUntil, next: plan.schedule.next(after: decidedUntil))
            if let interrupted = remembered?.interrupted, interrupted.attempt <= plan.retries {
                let order = RunOrder(
                    key: plan.key, fire: interrupted.fire, trigger: .retry, attempt: interrupted.attempt + 1)
                entry.retry = (order, now + delay(plan, afterAttempt: interrupted.attempt))
            }
            entries[plan.key] = entry
        }
    }

    // MARK: - Fires

    /// Decides what becomes of the fires of one job that have passed.
    private mutating func decide(_ key: JobKey, at now: Instant) -> [SchedulerAction] {
        guard var entry = entries[key], !entry.isRemoved else { return [] }
        defer { entries[key] = entry }
        var actions: [SchedulerAction] = []
        if let first = entry.next, first <= now {
            let since = entry.decidedUntil
            let fire = entry.plan.schedule.latest(after: since, through: now) ?? first
            entry.decidedUntil = now
            entry.next = entry.plan.schedule.next(after: now)
            actions = become(fire, of: &entry, since: since, first: first, at: now)
        } else if entry.phase == .idle, let retry = entry.retry, retry.at <= now {
            entry.retry = nil
            entry.phase = .waiting(retry.order, ticket: takeTicket())
        }
        return actions
    }

    private mutating func become(
        _ fire: Instant, of entry: inout Entry, since: Instant, first: Instant, at now: Instant
    ) -> [SchedulerAction] {
        let key = entry.plan.key
        let schedule = entry.plan.schedule
        // Of many fires that passed at once only the last can become a run; the others share one record.
        let before =
            first < fire
            ? PassedFires(
                first: first,
                count: schedule.count(after: since, through: fire - .microseconds(1), limit: Self.countLimit))
            : nil
        func missedBefore() -> [SchedulerAction] {
            guard let before, let last = schedule.latest(after: since, through: fire - .microseconds(1)) else { return [] }
            let rest = before.count > 1 ? PassedFires(first: before.first, count: before.count - 1) : nil
            return [.record(SkippedFire(key: key, fire: last, reason: .missed, passed: rest))]
        }
        guard entry.phase == .idle else {
            return [.record(SkippedFire(key: key, fire: fire, reason: .overlap, passed: before))]
        }
        let lateness = now - fire
        if lateness <= Self.allowedLateness {
            entry.retry = nil
            entry.phase = .waiting(
                RunOrder(key: key, fire: fire, trigger: .schedule, attempt: 1), ticket: takeTicket())
            return missedBefore()
        }
        if entry.plan.catchesUp, entry.plan.catchUpWithin.map({ lateness <= $0 }) ?? true {
            entry.retry = nil
            entry.phase = .waiting(
                RunOrder(key: key, fire: fire, trigger: .catchUp, attempt: 1), ticket: takeTicket())
            return missedBefore()
        }
        return [.record(SkippedFire(key: key, fire: fire, reason: .missed, passed: before))]
    }

    // MARK: - Runs

    private mutating func startWaiting() -> [SchedulerAction] {
        var waiting: [(order: RunOrder, ticket: Int)] = []
        var busyJobs: Set<String> = []
        var runningCount = 0
        for entry in entries.values {
            switch entry.phase {
            case .idle: break
            case .waiting(let order, let ticket): waiting.append((order, ticket))
            case .running(let order):
                runningCount += 1
                busyJobs.insert(order.key.job)
            }
        }
        guard !waiting.isEmpty else { return [] }
        var actions: [SchedulerAction] = []
        for (order, _) in waiting.sorted(by: { $0.ticket < $1.ticket }) {
            guard runningCount < maxParallel else { break }
            // One job is one thing at a time, also on several databases.
            guard busyJobs.insert(order.key.job).inserted else { continue }
            runningCount += 1
            entries[order.key]?.phase = .running(order)
            actions.append(.start(order))
        }
        return actions
    }

    private mutating func end(_ order: RunOrder, _ verdict: RunVerdict, at now: Instant) -> [SchedulerAction] {
        guard var entry = entries[order.key], entry.phase == .running(order) else { return [] }
        guard !entry.isRemoved else {
            entries[order.key] = nil
            return []
        }
        entry.phase = .idle
        defer { entries[order.key] = entry }
        guard !isStopping else { return [] }
        switch verdict {
        case .settled:
            return []
        case .notBegun:
            entry.retry = (order, now + Self.recordRetryDelay)
            return []
        case .failedTransiently where order.attempt <= entry.plan.retries:
            let next = RunOrder(key: order.key, fire: order.fire, trigger: .retry, attempt: order.attempt + 1)
            let at = now + delay(entry.plan, afterAttempt: order.attempt)
            entry.retry = (next, at)
            return [.announceRetry(next, at: at)]
        case .failedTransiently:
            return entry.plan.retries > 0 ? [.announceGivenUp(order)] : []
        }
    }

    /// Twice as long after each attempt, but an hour at most.
    private func delay(_ plan: JobPlan, afterAttempt attempt: Int) -> Duration {
        var delay = plan.retryDelay
        for _ in 1..<max(attempt, 1) where delay < Self.longestRetryDelay { delay = delay * 2 }
        return min(delay, max(Self.longestRetryDelay, plan.retryDelay))
    }

    private mutating func takeTicket() -> Int {
        nextTicket += 1
        return nextTicket
    }
}
