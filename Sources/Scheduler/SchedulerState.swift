import HeapModule
import History
import Schedule

/// When every job runs: a state that takes an event at an instant and returns what to do.
///
/// It reads no clock, waits for nothing and records nothing. Uniqueness of runs does not rest on it alone: a fire that
/// it orders twice, because the clock went back, is refused by the history's claim.
///
/// The work of an event depends on the jobs that it concerns, not on how many there are.
package struct SchedulerState: Sendable {
    /// How late a fire may be and still count as on time. A machine under load is not a missed fire.
    package static let allowedLateness = Duration.seconds(60)
    /// The longest wait between two attempts.
    package static let longestRetryDelay = Duration.seconds(3600)
    /// How long to wait when a run could not be recorded (a full disk under the history).
    package static let recordRetryDelay = Duration.seconds(60)
    /// How often to look whether the host that took a fire is still alive.
    package static let takeoverDelay = Duration.seconds(15)
    /// Of more fires of one job than this nobody watches what their hosts do.
    package static let watchLimit = 1000
    /// More passed fires than this are not counted one by one.
    package static let countLimit = 100_000
    /// A clock that is further than this behind the last recorded fire holds the jobs that delete.
    package static let longestStepBack = Duration.seconds(3600)
    /// How far back a fire of the job to run after may lie to be of the same night.
    package static let sameNight = Duration.seconds(86400)

    enum Phase: Hashable, Sendable {
        /// Nothing to do before the next fire.
        case idle
        /// Due, but the job to run after has not ended for its fire yet.
        case awaiting(RunOrder, fire: Instant)
        /// Due, but every slot is taken, or the group's, or the job runs on another of its databases.
        case waiting(RunOrder, Ticket)
        /// Handed out, and not ended yet.
        case running(RunOrder)
    }

    /// A run that is to begin later.
    struct Retry: Hashable, Sendable {
        var order: RunOrder
        var at: Instant
    }

    struct Entry: Sendable {
        var plan: JobPlan
        /// Every fire up to here has been decided.
        var decidedUntil: Instant
        /// The first fire after `decidedUntil`; `nil` if the schedule has ended.
        var next: Instant?
        /// When that fire is acted on: itself, or later by the job's splay.
        var due: Instant?
        var phase: Phase = .idle
        var retry: Retry?
        /// Fires that other hosts have taken, in the order in which they are looked at again, in case those hosts die.
        var watched: [Retry] = []
        /// The latest fire for which it did its work.
        var lastSuccess: Instant?
        /// Taken out of the configuration while it runs.
        var isRemoved = false

        /// What it has been ordered to do and has not begun.
        var pending: RunOrder? {
            switch phase {
            case .awaiting(let order, _), .waiting(let order, _): order
            case .idle: retry?.order
            case .running: nil
            }
        }

        /// When something is to be decided of it next.
        var wake: Instant? {
            guard !isRemoved else { return nil }
            guard phase == .idle else { return due }
            return [due, retry?.at, watched.first?.at].compactMap(\.self).min()
        }
    }

    /// Who is served next: what was decided earlier, of that the most overdue.
    struct Ticket: Hashable, Comparable, Sendable {
        let event: Int
        let fire: Instant
        let key: JobKey

        static func < (left: Ticket, right: Ticket) -> Bool {
            (left.event, left.fire, left.key) < (right.event, right.fire, right.key)
        }
    }

    /// An instant that concerns a job; it stays in its heap when the job's plans change, and is then stale.
    struct Wake: Comparable, Sendable {
        let at: Instant
        let key: JobKey

        static func < (left: Wake, right: Wake) -> Bool { (left.at, left.key) < (right.at, right.key) }
    }

    var entries: [JobKey: Entry] = [:]
    var wakes = Heap<Wake>()
    var dues = Heap<Wake>()
    var queue = Heap<Ticket>()
    var handedOut: [JobKey: RunOrder] = [:]
    /// Jobs whose fire waits for another job.
    var dependents: Set<JobKey> = []
    var eventNumber = 0
    private var lastInstant: Instant?
    /// The latest fire that anybody has recorded.
    private var lastRecorded: Instant?
    /// Until when jobs that delete are held, because the clock is behind what has been recorded.
    package private(set) var heldUntil: Instant?
    var isStopping = false
    /// How many runs there may be at once.
    package var maxParallel: Int

    /// A scheduler without jobs.
    package init(maxParallel: Int) {
        self.maxParallel = maxParallel
    }

    /// The runs that have been handed out and not ended, by job.
    package var running: [RunOrder] { handedOut.values.sorted { $0.key < $1.key } }

    /// The runs that are due and wait for their turn.
    package private(set) var waitingCount = 0

    /// The next fire or retry of any job.
    package var nextWake: Instant? { isStopping ? nil : wakes.min?.at }

    /// The fire that comes next, and whose it is.
    package var nextFire: (key: JobKey, at: Instant)? { dues.min.map { ($0.key, $0.at) } }

    /// When a job is due next; `nil` if it is not known or never due again.
    package func nextFire(of key: JobKey) -> Instant? {
        entries[key].flatMap { $0.isRemoved ? nil : $0.next }
    }

    /// Takes an event at an instant of the wall clock.
    package mutating func handle(_ event: SchedulerEvent, at now: Instant) -> [SchedulerAction] {
        eventNumber += 1
        var actions = adjustToClock(now)
        switch event {
        case .planned(let plans, let memory):
            actions += plan(plans, memory: memory, at: now)
            actions += holdIfBehind(now)
        case .tick: break
        case .ended(let order, let verdict): actions += end(order, verdict, at: now)
        case .clockTrusted:
            lastRecorded = now
            if heldUntil != nil {
                heldUntil = nil
                actions.append(.announceClockCaughtUp)
            }
        case .stop: stop()
        }
        if !isStopping {
            actions += decideDue(at: now)
            var hasSkipped: Bool
            // What is skipped when its turn comes may be what another job waits for.
            repeat {
                actions += settleDependents(at: now)
                let turns = startWaiting(at: now)
                actions += turns
                hasSkipped = turns.contains { if case .record = $0 { true } else { false } }
            } while hasSkipped
        }
        dropStale()
        return actions
    }

    private mutating func stop() {
        isStopping = true
        for key in entries.keys {
            entries[key]?.retry = nil
            entries[key]?.watched = []
            switch entries[key]?.phase {
            case .waiting, .awaiting: entries[key]?.phase = .idle
            case .idle, .running, nil: break
            }
        }
        queue = Heap()
        dependents = []
        waitingCount = 0
    }

    // MARK: - Entries

    /// Changes a job, and keeps in order what is known of it elsewhere.
    mutating func update(_ key: JobKey, _ change: (inout Entry) -> Void) {
        guard var entry = entries[key] else { return }
        let (wake, due) = (entry.wake, entry.due)
        let before = entry.phase
        change(&entry)
        entries[key] = entry
        if let later = entry.wake, later != wake { wakes.insert(Wake(at: later, key: key)) }
        if let later = entry.due, later != due { dues.insert(Wake(at: later, key: key)) }
        guard entry.phase != before else { return }
        if case .waiting = before { waitingCount -= 1 }
        switch before {
        case .awaiting: dependents.remove(key)
        case .running: handedOut[key] = nil
        case .idle, .waiting: break
        }
        switch entry.phase {
        case .waiting(_, let ticket):
            waitingCount += 1
            queue.insert(ticket)
        case .awaiting: dependents.insert(key)
        case .running(let order): handedOut[key] = order
        case .idle: break
        }
    }

    private mutating func insert(_ entry: Entry) {
        let key = entry.plan.key
        entries[key] = entry
        if let wake = entry.wake { wakes.insert(Wake(at: wake, key: key)) }
        if let due = entry.due { dues.insert(Wake(at: due, key: key)) }
    }

    private mutating func remove(_ key: JobKey) {
        update(key) { $0.phase = .idle }
        entries[key] = nil
    }

    /// What stands first in a heap is always true; what is behind may be stale.
    private mutating func dropStale() {
        while let first = wakes.min, entries[first.key]?.wake != first.at { wakes.removeMin() }
        while let first = dues.min, entries[first.key].flatMap({ $0.isRemoved ? nil : $0.due }) != first.at {
            dues.removeMin()
        }
    }

    // MARK: - Clock

    /// A clock that went back makes the fires of the repeated time come again. Those that ran are refused by their
    /// claim; those that had been jumped over get their turn.
    private mutating func adjustToClock(_ now: Instant) -> [SchedulerAction] {
        defer { lastInstant = now }
        guard let last = lastInstant else { return [] }
        guard now < last else { return holdIfBehind(now) }
        let step = last - now
        for key in entries.keys {
            update(key) { entry in
                // How long is left to wait does not depend on what the clock shows.
                if let retry = entry.retry { entry.retry?.at = retry.at - step }
                for index in entry.watched.indices { entry.watched[index].at = entry.watched[index].at - step }
                guard entry.decidedUntil > now else { return }
                entry.decidedUntil = now
                Self.lookAhead(&entry)
            }
        }
        // The clock is disciplined by small steps all the time; those are nobody's concern.
        return (step > .seconds(1) ? [.announceClockSetBack(by: step)] : []) + holdIfBehind(now)
    }

    /// Rows deleted by a clock that is wrong are gone. A clock that is far behind what has been recorded was wrong then or is
    /// wrong now, and nobody but a person can tell.
    private mutating func holdIfBehind(_ now: Instant) -> [SchedulerAction] {
        if let until = heldUntil {
            guard now >= until else { return [] }
            heldUntil = nil
            return [.announceClockCaughtUp]
        }
        guard let last = lastRecorded, now + Self.longestStepBack < last else { return [] }
        heldUntil = last
        return [.announceClockBehind(until: last)]
    }

    /// Notes that a fire has a record now.
    mutating func recorded(_ fire: Instant) {
        lastRecorded = max(lastRecorded ?? fire, fire)
    }

    // MARK: - Configuration

    private mutating func plan(
        _ plans: [JobPlan], memory: [JobKey: JobMemory], at now: Instant
    ) -> [SchedulerAction] {
        let keys = Set(plans.map(\.key))
        var actions: [SchedulerAction] = []
        for key in entries.keys.sorted() where !keys.contains(key) {
            // Its fire has come, and nobody else will say what became of it.
            if let order = entries[key]?.pending { actions.append(.record(skip(order, .removed))) }
            if handedOut[key] != nil {
                update(key) { entry in
                    entry.isRemoved = true
                    entry.retry = nil
                }
            } else {
                remove(key)
            }
        }
        for plan in plans {
            if let known = entries[plan.key] {
                update(plan.key) { entry in
                    entry.plan = plan
                    entry.isRemoved = false
                    // A new schedule has no past: nothing of it can have been missed.
                    if known.plan.schedule != plan.schedule || known.isRemoved { entry.decidedUntil = now }
                    Self.lookAhead(&entry)
                }
                continue
            }
            let remembered = memory[plan.key]
            let known = remembered.map { max($0.firstSeen, $0.lastFire ?? $0.firstSeen) } ?? now
            var entry = Entry(plan: plan, decidedUntil: min(known, now), lastSuccess: remembered?.lastSuccess)
            if let fire = remembered?.lastFire { recorded(fire) }
            if let interrupted = remembered?.interrupted, let at = resumption(of: interrupted, plan, at: now) {
                let order = RunOrder(
                    key: plan.key, fire: interrupted.fire, trigger: .retry, attempt: interrupted.attempt + 1)
                entry.retry = Retry(order: order, at: at)
            }
            Self.lookAhead(&entry)
            insert(entry)
        }
        return actions
    }

    /// When a run that was cut off is tried again. One that a stop cut off did not fail: it is made up for like a missed one.
    private func resumption(of run: InterruptedRun, _ plan: JobPlan, at now: Instant) -> Instant? {
        if run.wasStopped {
            let isInTime = plan.catchUpWithin.map { now - run.fire <= $0 } ?? true
            return plan.catchesUp && isInTime ? now : nil
        }
        return run.attempt <= plan.retries ? now + Self.delay(plan.retryDelay, afterAttempt: run.attempt) : nil
    }

    /// Finds the fire that comes after what has been decided.
    static func lookAhead(_ entry: inout Entry) {
        entry.next = entry.plan.schedule.next(after: entry.decidedUntil)
        entry.due = entry.next.map { $0 + entry.plan.delay(of: $0) }
    }
}

extension JobPlan {
    /// By how much a fire is put off: by the splay, but never to the next fire or beyond the end of the window.
    func delay(of fire: Instant) -> Duration {
        guard splay > .zero else { return .zero }
        var delay = splay
        if let next = schedule.next(after: fire) { delay = min(delay, next - fire - .seconds(1)) }
        if let end = window?.end(at: fire, in: schedule.zone) { delay = min(delay, end - fire - .seconds(1)) }
        return max(delay, .zero)
    }
}
