import History
import Schedule

/// Where samples of table sizes are kept between runs.
package protocol SizeSampleStore: Sendable {
    /// Keeps a sample.
    func record(_ sample: SizeSample) async throws
    /// The newest sample of a database that is not later than an instant.
    func sample(of database: String, notAfter: Instant) async throws -> SizeSample?
    /// The thresholds that have been crossed and are not back.
    func crossedThresholds(job: String, database: String) async throws -> Set<String>
    /// Notes which thresholds are crossed now.
    func setCrossedThresholds(_ names: Set<String>, job: String, database: String) async throws
    /// Lets old samples go that nobody needs so finely.
    func thin(database: String, at now: Instant) async throws
}

/// Keeps nothing; for looking only.
package struct NoSamples: SizeSampleStore {
    /// Keeps nothing.
    package init() {}
    /// Does nothing.
    package func record(_ sample: SizeSample) async throws {}
    /// There is none.
    package func sample(of database: String, notAfter: Instant) async throws -> SizeSample? { nil }
    /// There is none.
    package func crossedThresholds(job: String, database: String) async throws -> Set<String> { [] }
    /// Does nothing.
    package func setCrossedThresholds(_ names: Set<String>, job: String, database: String) async throws {}
    /// Does nothing.
    package func thin(database: String, at now: Instant) async throws {}
}
