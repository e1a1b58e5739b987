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
    /// How long after each fire this job begins on this host, so that not everybody begins at once.
    package let splay: Duration
    /// The part of the day outside of which it neither begins nor goes on.
    package let window: DailyWindow?
    /// Of the jobs of one group only one runs at a time.
    package let group: String?
    /// The job that must have succeeded for the same night.
    package let after: JobKey?
    /// Whether what it does cannot be taken back, so that a clock gone wrong holds it.
    package let isDestructive: Bool

    /// A job with its schedule.
    package init(
        key: JobKey, schedule: ZonedSchedule, catchesUp: Bool, catchUpWithin: Duration?, retries: Int,
        retryDelay: Duration, splay: Duration = .zero, window: DailyWindow? = nil, group: String? = nil,
        after: JobKey? = nil, isDestructive: Bool = false
    ) {
        self.key = key
        self.schedule = schedule
        self.catchesUp = catchesUp
        self.catchUpWithin = catchUpWithin
        self.retries = retries
        self.retryDelay = retryDelay
        self.splay = splay
        self.window = window
        self.group = group
        self.after = after
        self.isDestructive = isDestructive
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
    /// When the run must stop itself: the end of the job's window.
    package var until: Instant?

    /// An order to run.
    package init(key: JobKey, fire: Instant, trigger: Trigger, attempt: Int, until: Instant? = nil) {
        self.key = key
        self.fire = fire
        self.trigger = trigger
        self.attempt = attempt
        self.until = until
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
    /// Which attempt at the fire was not made; 0 for times on the wall that did not exist, besides which there may be a fire.
    package let attempt: Int
    /// What the reason alone does not tell.
    package let detail: String?

    /// Fires that were passed.
    package init(
        key: JobKey, fire: Instant, reason: SkipReason, passed: PassedFires?, attempt: Int = 1, detail: String? = nil
    ) {
        self.key = key
        self.fire = fire
        self.reason = reason
        self.passed = passed
        self.attempt = attempt
        self.detail = detail
    }
}

/// How a run that was ordered came out, as far as the scheduler cares.
package enum RunVerdict: Hashable, Sendable {
    /// It did its work.
    case succeeded
    /// The fire is done with all the same: it failed for good, was cancelled or skipped.
    case settled
    /// It failed, and may succeed a little later.
    case failedTransiently
    /// It could not even be recorded, so it was not begun.
    case notBegun
    /// Another host runs it; should that host die, somebody must take it over.
    case takenElsewhere
}

/// What happens to the scheduler.
package enum SchedulerEvent: Sendable {
    /// The jobs that there are from now on, and what the history remembers of those that were not known before.
    case planned([JobPlan], memory: [JobKey: JobMemory])
    /// Time has passed, or the clock was set.
    case tick
    /// A run has ended.
    case ended(RunOrder, RunVerdict)
    /// A person says that the clock is right although it was ahead before, so that nothing is held any longer.
    case clockTrusted
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
    /// Say that jobs which delete are held until the clock has passed the last recorded fire again.
    case announceClockBehind(until: Instant)
    /// Say that they are held no longer.
    case announceClockCaughtUp
}
