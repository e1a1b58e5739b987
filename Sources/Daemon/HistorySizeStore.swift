import History
import Jobs
import Schedule

/// Keeps the samples of `table-sizes` in the history.
struct HistorySizeStore: SizeSampleStore {
    let history: History
    let clock: any JobClock

    func record(_ sample: SizeSample) async throws {
        try await history.record(sample)
    }

    func sample(of database: String, notAfter instant: Instant) async throws -> SizeSample? {
        try await history.sample(of: database, notAfter: instant)
    }

    func crossedThresholds(job: String, database: String) async throws -> Set<String> {
        try await history.crossedThresholds(of: JobKey(job: job, database: database))
    }

    func setCrossedThresholds(_ names: Set<String>, job: String, database: String) async throws {
        try await history.setCrossedThresholds(names, of: JobKey(job: job, database: database), at: clock.now())
    }

    func thin(database: String, at now: Instant) async throws {
        try await history.thinSamples(
            of: database, hourlyFrom: now - .seconds(30 * 86400), dailyFrom: now - .seconds(3 * 366 * 86400))
    }
}
