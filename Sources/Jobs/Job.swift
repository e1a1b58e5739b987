import Logging
import Postgres
import Schedule

/// What a job of one kind does, with its options already validated.
///
/// A job knows neither the scheduler, nor systemd, nor another job: all that it may use comes in its ``JobContext``, and
/// all that it has to say goes out in its ``JobSummary`` or its ``JobError``.
package protocol Job: Sendable {
    /// The word that the configuration's `kind` gives.
    static var kind: String { get }

    /// One line for the manual: what a job of this kind does.
    static var summary: String { get }

    /// The options of this kind, beyond those that every job has.
    static var options: [OptionSpecification] { get }

    /// Whether a missed fire is made up for when the configuration does not say.
    static var catchesUpByDefault: Bool { get }

    /// Whether a run takes something away for ever, so that a clock gone wrong must hold it back.
    static var isDestructive: Bool { get }

    /// Makes the job of validated options.
    ///
    /// - Parameter problems: receives what only this kind can find wrong; the result is `nil` if one of them is an error.
    init?(name: String, options: OptionValues, problems: inout [OptionProblem])

    /// What is wrong with host or database for this job, without changing either.
    ///
    /// - Throws: ``JobError`` if the database cannot be asked.
    func findings(in context: JobContext) async throws(JobError) -> [Finding]

    /// Does the work once.
    ///
    /// Cancelling the task ends it in order: a statement in flight is rolled back, children end, nothing half-written
    /// keeps a final name.
    ///
    /// - Throws: ``JobError`` with what failed and what to do.
    func run(in context: JobContext) async throws(JobError) -> JobSummary
}

/// One thing that `check` found when it looked at the host and the database.
package struct Finding: Sendable, Hashable {
    /// How much it matters.
    package enum Severity: String, Sendable, Hashable {
        /// The job cannot work like this.
        case error
        /// The job works, but probably not as meant.
        case warning
    }

    /// How much it matters.
    package let severity: Severity
    /// What was found, lower case, no final stop.
    package let message: String
    /// What to do about it, a full sentence.
    package let hint: String?
    /// The failure that a run would end in, for an error.
    package let code: JobError.Code

    /// A finding that keeps the job from working.
    ///
    /// - Parameter code: the failure that a run would end in.
    package static func error(_ message: String, hint: String? = nil, code: JobError.Code = .badConfiguration) -> Finding {
        Finding(severity: .error, message: message, hint: hint, code: code)
    }

    /// What a failure while looking tells of the job.
    package static func error(_ error: JobError) -> Finding { .error(error.message, hint: error.hint, code: error.code) }

    /// A finding that a person should know of.
    package static func warning(_ message: String, hint: String? = nil) -> Finding {
        Finding(severity: .warning, message: message, hint: hint, code: .badConfiguration)
    }
}

/// A database that a job works on: where it is, and what its zone-less timestamps mean.
package struct DatabaseAccess: Sendable {
    /// The name in the configuration (`main` when there is only `[database]`).
    package let name: String
    /// Where to connect and as whom.
    package let target: ConnectionTarget
    /// The zone of what columns of type `timestamp` hold, as PostgreSQL knows it (`UTC` for Prisma's).
    package let timestamps: String

    /// A database of the configuration.
    package init(name: String, target: ConnectionTarget, timestamps: String) {
        self.name = name
        self.target = target
        self.timestamps = timestamps
    }
}

/// All that a job may use.
package struct JobContext: Sendable {
    /// The job's name in the configuration.
    package let job: String
    /// The run's identifier, unique over all runs.
    package let runID: String
    /// The database that this run works on.
    package let database: DatabaseAccess
    /// Where to say what cannot wait for the end of the run.
    package let logger: Logger
    /// What time it is, and how to wait.
    package let clock: any JobClock
    /// When the run is cancelled at the latest, by the wall clock.
    package let deadline: Instant?
    /// Whether to say what would be done instead of doing it.
    package let isDryRun: Bool
    /// Receives how far the run has come.
    package let progress: ProgressSink
    /// Where samples of table sizes are kept.
    package let sizes: any SizeSampleStore
    /// A folder that nobody else can read, for what must exist as a file while a child needs it.
    package let privateDirectory: String
    /// The environment that children may see, secrets removed.
    package let childEnvironment: [String: String]
    /// The job's time zone, for what counts in days, weeks, months and years.
    package let zone: ZoneRules

    /// The context of one run.
    package init(
        job: String, runID: String, database: DatabaseAccess, logger: Logger, clock: any JobClock, deadline: Instant?,
        isDryRun: Bool, progress: ProgressSink, sizes: any SizeSampleStore, privateDirectory: String,
        childEnvironment: [String: String], zone: ZoneRules = .utc
    ) {
        self.job = job
        self.runID = runID
        self.database = database
        self.logger = logger
        self.clock = clock
        self.deadline = deadline
        self.isDryRun = isDryRun
        self.progress = progress
        self.sizes = sizes
        self.privateDirectory = privateDirectory
        self.childEnvironment = childEnvironment
        self.zone = zone
    }

    /// Opens a connection of this run's own to its database.
    ///
    /// - Parameter lockTimeout: how long a statement may wait for a lock that the application holds.
    /// - Throws: ``JobError`` of code `database-unreachable` (worth retrying) or `database-refused`.
    package func connect(
        lockTimeout: Duration = .seconds(2), statementTimeout: Duration? = nil
    ) async throws(JobError) -> PostgresConnection {
        var options = SessionOptions()
        options.applicationName = "pgcaretaker \(job)"
        options.lockTimeout = lockTimeout
        options.statementTimeout = statementTimeout
        do throws(PostgresError) {
            return try await PostgresConnection.connect(to: database.target, options: options)
        } catch {
            throw JobError(connecting: error, to: database.target)
        }
    }
}

/// The two clocks that a job sees. A job that deletes takes its cut-off from neither, but from the server.
package protocol JobClock: Sendable {
    /// The wall clock.
    func now() -> Instant
    /// Waits; a monotonic clock measures it.
    ///
    /// - Throws: `CancellationError` if the task was cancelled.
    func sleep(for duration: Duration) async throws
    /// Time since an arbitrary moment, that never goes back.
    func elapsed() -> Duration
}

/// How far a run has come.
package struct Progress: Sendable, Hashable {
    /// What is counted.
    package enum Unit: Sendable, Hashable {
        case rows, bytes, tables
    }

    /// What the run is doing, in two or three words.
    package let phase: String
    /// How much is done.
    package let completed: Int64
    /// How much there is in all, where it can be told or estimated.
    package let total: Int64?
    /// What `completed` and `total` count.
    package let unit: Unit

    /// A step of a run.
    package init(phase: String, completed: Int64, total: Int64? = nil, unit: Unit) {
        self.phase = phase
        self.completed = completed
        self.total = total
        self.unit = unit
    }
}

/// Receives the progress of a run; called often, from any thread, and must be quick.
package struct ProgressSink: Sendable {
    private let receive: @Sendable (Progress) -> Void

    /// A sink that hands each step on.
    package init(_ receive: @escaping @Sendable (Progress) -> Void) {
        self.receive = receive
    }

    /// A sink for when nobody looks.
    package static let none = ProgressSink { _ in }

    /// Says how far the run has come.
    package func report(_ progress: Progress) {
        receive(progress)
    }
}

/// A named number that a run reports.
package struct Measure: Sendable, Hashable {
    /// The name in JSON, history and journal, snake case with its unit (`rows_deleted`, `bytes_written`).
    package let name: String
    /// The number.
    package let value: Int64

    /// A number of a run.
    package init(_ name: String, _ value: Int64) {
        self.name = name
        self.value = value
    }
}

/// What a run that succeeded has to say.
package struct JobSummary: Sendable, Hashable {
    /// The numbers, in the order in which a person wants them.
    package let measures: [Measure]
    /// What was done, in a sentence without its final stop.
    package let sentence: String
    /// What went well enough, but should be known.
    package let warnings: [String]
    /// The file that the run made, if it made one.
    package let path: String?

    /// The end of a run.
    package init(_ sentence: String, measures: [Measure] = [], warnings: [String] = [], path: String? = nil) {
        self.sentence = sentence
        self.measures = measures
        self.warnings = warnings
        self.path = path
    }
}
