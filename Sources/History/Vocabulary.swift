import Schedule

/// A job on one of its databases: what has a schedule, runs, and a history of its own.
package struct JobKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The job's name in the configuration.
    package let job: String
    /// The database's name in the configuration.
    package let database: String

    /// A job on one of its databases.
    package init(job: String, database: String) {
        self.job = job
        self.database = database
    }

    /// By job, then by database.
    package static func < (left: JobKey, right: JobKey) -> Bool {
        (left.job, left.database) < (right.job, right.database)
    }

    /// `job/database`, for messages to developers.
    package var description: String { "\(job)/\(database)" }
}

/// Why a run was started.
package enum Trigger: String, Sendable, Hashable, CaseIterable {
    /// Its fire came.
    case schedule
    /// Its fire had been missed.
    case catchUp = "catch-up"
    /// An earlier attempt at the same fire failed.
    case retry
    /// A person asked for it.
    case manual
}

/// How a run ended.
package enum Outcome: String, Sendable, Hashable, CaseIterable {
    case succeeded, failed, cancelled, skipped
}

/// Why a fire was not run.
package enum SkipReason: String, Sendable, Hashable, CaseIterable {
    /// The previous run was still going, or still waiting for its turn.
    case overlap
    /// Another process was running the same job.
    case locked
    /// Nobody was there when it was due, and it is not to be made up for.
    case missed
    /// Nobody was there when it was due, and by now it is too late to make up for it (`catch_up_within`).
    case tooLate = "too-late"
    /// Its calendar day did not exist in its zone.
    case nonexistentDate = "nonexistent-date"
    /// Somebody has paused the job.
    case paused
    /// It came, or its turn came, outside of the job's window.
    case window
    /// The job that it is to run after did not do its work that night.
    case dependency
    /// The clock is behind what has been recorded, and what the job does cannot be taken back.
    case clockBehind = "clock-behind"
    /// Another host has taken it.
    case elsewhere
    /// The job was taken out of the configuration, or disabled, before its turn came.
    case removed

    /// The reason in words, to follow "skipped: ".
    package var words: String {
        switch self {
        case .overlap: "the previous run had not ended"
        case .locked: "another process was running this job"
        case .missed: "pgcaretaker was not there when it was due"
        case .tooLate: "pgcaretaker was not there when it was due, and it is too late to make up for it"
        case .nonexistentDate: "that day did not exist in its time zone"
        case .paused: "the job is paused"
        case .window: "it was not within the job's window"
        case .dependency: "the job that it runs after had not succeeded for the same night"
        case .clockBehind: "the clock is behind the last recorded fire, and the job deletes"
        case .elsewhere: "another host has taken it"
        case .removed: "the job was taken out of the configuration before its turn came"
        }
    }
}

/// Fires of one job that one record stands for besides its own.
package struct PassedFires: Hashable, Sendable {
    /// The earliest of them.
    package let first: Instant
    /// How many there were.
    package let count: Int

    /// Some fires that were passed together.
    package init(first: Instant, count: Int) {
        self.first = first
        self.count = count
    }
}

/// One line of the history: a run, or a fire that did not become one.
package struct RunRecord: Hashable, Sendable {
    /// Unique over all runs, sorts by time.
    package var id: String
    /// Which job, on which database.
    package var key: JobKey
    /// The job's kind.
    package var kind: String
    /// Why it was started.
    package var trigger: Trigger
    /// 1 for the first try at a fire.
    package var attempt: Int
    /// The instant at which the schedule was due; `nil` for a run by hand.
    package var scheduledAt: Instant?
    /// When it began, or was recorded as skipped.
    package var startedAt: Instant
    /// When it ended; `nil` while it runs.
    package var endedAt: Instant?
    /// How it ended; `nil` while it runs.
    package var outcome: Outcome?
    /// Why it did not run.
    package var skipReason: SkipReason?
    /// Earlier fires that this record also stands for.
    package var passed: PassedFires?
    /// The stable code of a failure.
    package var errorCode: String?
    /// What was done, or what failed, as a sentence.
    package var message: String?
    /// What to do about a failure.
    package var hint: String?
    /// The server's code, where the server said no.
    package var sqlState: String?
    /// The file that it made.
    package var path: String?
    /// Its numbers, in their order.
    package var measures: [RunMeasure]
    /// What went well enough but should be known.
    package var warnings: [String]

    /// A run that begins, or a fire that is skipped.
    package init(
        id: String, key: JobKey, kind: String, trigger: Trigger, attempt: Int, scheduledAt: Instant?, startedAt: Instant
    ) {
        self.id = id
        self.key = key
        self.kind = kind
        self.trigger = trigger
        self.attempt = attempt
        self.scheduledAt = scheduledAt
        self.startedAt = startedAt
        measures = []
        warnings = []
    }
}

/// A named number in the history.
package struct RunMeasure: Hashable, Sendable, Codable {
    /// Snake case, with its unit.
    package let name: String
    /// The number.
    package let value: Int64

    /// A named number.
    package init(name: String, value: Int64) {
        self.name = name
        self.value = value
    }
}

/// What the history remembers of a job when the daemon starts.
package struct JobMemory: Hashable, Sendable {
    /// When the history first saw the job.
    package var firstSeen: Instant
    /// The latest fire that has a record.
    package var lastFire: Instant?
    /// The schedule and zone that those fires followed.
    package var schedule: String
    /// A fire whose run began and never came to its end, and its attempt.
    package var interrupted: InterruptedRun?
    /// The latest fire whose run succeeded.
    package var lastSuccess: Instant?

    /// What is known of a job.
    package init(
        firstSeen: Instant, lastFire: Instant? = nil, schedule: String, interrupted: InterruptedRun? = nil,
        lastSuccess: Instant? = nil
    ) {
        self.firstSeen = firstSeen
        self.lastFire = lastFire
        self.lastSuccess = lastSuccess
        self.schedule = schedule
        self.interrupted = interrupted
    }
}

/// A run that began and did not come to its own end.
package struct InterruptedRun: Hashable, Sendable {
    /// The fire that it was for.
    package let fire: Instant
    /// Which attempt it was.
    package let attempt: Int
    /// Whether it was ended in order because the daemon stopped; else its process died.
    package let wasStopped: Bool

    /// A run that was cut off.
    package init(fire: Instant, attempt: Int, wasStopped: Bool = false) {
        self.fire = fire
        self.attempt = attempt
        self.wasStopped = wasStopped
    }
}
