import Foundation
import Jobs
import Logging
import Postgres
import Schedule
import Synchronization
import TestSupport
import Testing

/// The host's wall clock, and a sleep that takes no time: it notes how long it was to be, and lets a test act meanwhile.
final class JobTestClock: JobClock {
    private let slept = Mutex<[Duration]>([])
    private let offset: Duration
    private let onSleep: @Sendable (_ number: Int) async throws -> Void

    /// A clock that is off by some time, and what is to happen while somebody sleeps for the first, second … time.
    init(offBy offset: Duration = .zero, onSleep: @escaping @Sendable (_ number: Int) async throws -> Void = { _ in }) {
        self.offset = offset
        self.onSleep = onSleep
    }

    var sleeps: [Duration] { slept.withLock { $0 } }

    func now() -> Instant {
        Instant(microsecondsSinceEpoch: Int64(Date().timeIntervalSince1970 * 1_000_000)) + offset
    }

    func elapsed() -> Duration { .seconds(1) }

    func sleep(for duration: Duration) async throws {
        try Task.checkCancellation()
        let number = slept.withLock { slept in
            slept.append(duration)
            return slept.count
        }
        try await onSleep(number)
    }
}

/// What one job of a test needs, on one database.
struct JobBench: Sendable {
    let target: ConnectionTarget
    let clock: JobTestClock
    let log = BackupLogRecord()
    let timestamps: String
    let sizes: any SizeSampleStore

    init(
        _ target: ConnectionTarget, clock: JobTestClock = JobTestClock(), timestamps: String = "UTC",
        sizes: any SizeSampleStore = NoSamples()
    ) {
        self.target = target
        self.clock = clock
        self.timestamps = timestamps
        self.sizes = sizes
    }

    /// What a session of the job is called on the server.
    static let applicationName = "pgcaretaker watched"

    /// The context of a run.
    func context(dryRun: Bool = false, clock: (any JobClock)? = nil, progress: ProgressSink = .none) -> JobContext {
        JobContext(
            job: "watched", runID: "r1", database: DatabaseAccess(name: "main", target: target, timestamps: timestamps),
            logger: Logger(label: "test") { [log] _ in log }, clock: clock ?? self.clock, deadline: nil, isDryRun: dryRun,
            progress: progress, sizes: sizes, privateDirectory: "/tmp", childEnvironment: ["PATH": "/usr/bin:/bin"])
    }

    /// Runs a job and gives the failure that it must end in.
    func failure(of job: some Job) async throws -> JobError {
        do throws(JobError) {
            let summary = try await job.run(in: context())
            throw JobError(.unexpected, "succeeded: \(summary.sentence)")
        } catch {
            return error
        }
    }

    /// Waits until the job's session waits for a lock.
    func waitUntilBlocked(_ watcher: PostgresConnection) async throws {
        try await watcher.wait(
            until: """
                SELECT count(*) FROM pg_stat_activity WHERE application_name = '\(Self.applicationName)'
                    AND datname = current_database() AND wait_event_type = 'Lock'
                """, is: "1")
    }

    /// Waits until the job's session is gone.
    func waitUntilGone(_ watcher: PostgresConnection) async throws {
        try await watcher.wait(
            until: """
                SELECT count(*) FROM pg_stat_activity WHERE application_name = '\(Self.applicationName)'
                    AND datname = current_database()
                """, is: "0")
    }
}

/// A job of these options.
func make<J: Job>(_ kind: J.Type, _ options: [String: OptionValue]) throws -> J {
    var problems: [OptionProblem] = []
    return try #require(J(name: "watched", options: OptionValues(options), problems: &problems), "\(problems)")
}

extension [Measure] {
    /// The value of a measure.
    subscript(_ name: String) -> Int64? { first { $0.name == name }?.value }
}
