import Configuration
import Foundation
import History
import Jobs
import Postgres
import Schedule
import Synchronization

/// Agrees, through the database that a job works on, with other hosts that run the same configuration: each fire is run by one
/// of them, and taken over by another one if that dies.
///
/// A fire is a row, taken by `INSERT … ON CONFLICT DO NOTHING`; a run holds a session advisory lock of its job. A host that dies
/// loses its lock with its session, and shows no sign of life in its row any more.
package struct Coordinator: Sendable {
    /// What came of asking for a fire.
    enum Claim: Sendable {
        /// It is ours to run.
        case taken(CoordinatedRun)
        /// A host runs the job at present.
        case running
        /// A host runs the job for an earlier fire.
        case overlapping
        /// It has been run; whether it succeeded.
        case done(host: String, succeeded: Bool)
    }

    /// How long a host shows no sign of life before it counts as dead. The lock that it has lost tells so earlier, but a host
    /// that has lost only its session needs this time to notice and to stop.
    static let patience = Duration.seconds(15)
    /// How often a run shows a sign of life.
    static let heartbeat = Duration.seconds(3)
    /// How long the server may take to answer one, before the session counts as lost.
    static let answerTime = Duration.seconds(8)

    /// This host, as the others see it: two daemons on one machine are two.
    let host: String
    private let clock: any JobClock
    private let prepared = Prepared()

    /// A coordinator for a daemon with this state directory.
    package init(stateDirectory: String, clock: any JobClock) {
        let name = ProcessInfo.processInfo.hostName
        let machine = (try? String(contentsOfFile: "/etc/machine-id", encoding: .utf8))?.prefix(8) ?? ""
        host = "\(name)/\(machine)\(stateDirectory)"
        self.clock = clock
    }

    /// The coordinator that a configuration asks for; `nil` if it asks for none.
    package static func demanded(by configuration: Configuration, clock: any JobClock) -> Coordinator? {
        configuration.coordination == .database ? Coordinator(stateDirectory: configuration.stateDirectory, clock: clock) : nil
    }

    /// The databases in which the table has been found or made.
    private final class Prepared: Sendable {
        let databases = Mutex<[String: Instant]>([:])
    }

    /// Asks for a fire of a job, or for a run by hand.
    ///
    /// - Parameter fire: `nil` for a run by hand, which has no row but honours the lock.
    /// - Throws: ``JobError`` if the database cannot be asked, or if a pooler is in between.
    func claim(_ job: String, on database: DatabaseAccess, fire: Instant?, attempt: Int) async throws(JobError) -> Claim {
        let connection = try await connect(to: database)
        let result: Result<Claim, JobError>
        do throws(JobError) {
            result = .success(try await claim(job, database, fire, attempt, connection))
        } catch {
            result = .failure(error)
        }
        if case .success(.taken) = result { return try result.get() }
        await connection.close()
        return try result.get()
    }

    /// Of a session for the lock: its statements are small; one that waits is as good as lost. The server gives the lock of a
    /// host that has vanished without a word (its power failed) to others within seconds, not after its system's two hours.
    package static let sessionOptions = SessionOptions(
        applicationName: "pgcaretaker coordination", lockTimeout: .seconds(5), statementTimeout: .seconds(5),
        settings: ["tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "4"])

    /// A session for the lock.
    func connect(to database: DatabaseAccess) async throws(JobError) -> PostgresConnection {
        do throws(PostgresError) {
            return try await PostgresConnection.connect(to: database.target, options: Self.sessionOptions)
        } catch {
            throw JobError(connecting: error, to: database.target)
        }
    }

    private func claim(
        _ job: String, _ database: DatabaseAccess, _ fire: Instant?, _ attempt: Int, _ connection: PostgresConnection
    ) async throws(JobError) -> Claim {
        try await refusePooler(connection)
        try await prepare(database, connection)
        let isFree = try await asking("taking the lock of \(job)") { () throws(PostgresError) in
            try await connection.query(
                CoordinationQueries.lock, [.int(CoordinationQueries.lockSpace), .text(Self.lockName(job, database))]
            ).scalar
        }
        guard isFree == "true" else { return try await seen(job, database, fire, connection) ?? .running }
        let run = CoordinatedRun(
            job: job, fire: fire, host: host, database: database, connection: connection, coordinator: self, clock: clock)
        guard let fire else { return .taken(run) }
        let name: [PostgresParameter] = [.text(job), .text(String(fire.microsecondsSinceEpoch))]
        let inserted = try await asking("taking a fire of \(job)") { () throws(PostgresError) in
            try await connection.execute(CoordinationQueries.claim, name + [.text(host), .int(attempt)])
        }
        guard inserted == 0 else { return .taken(run) }
        let rows = try await state(name, connection)
        guard let row = rows.first, let owner = row.string("host") else { return .running }
        let isOver = row.string("ended") == "true"
        if isOver, row.string("retries") != "true" {
            return .done(host: owner, succeeded: row.string("outcome") == Outcome.succeeded.rawValue)
        }
        // Ours, from an earlier attempt or an earlier life; or of a host that shows no sign of life.
        let isAbandoned = isOver ? row.string("forgotten") == "true" : row.string("silent") == "true"
        guard owner == host || isAbandoned else { return .running }
        let taken = try await asking("taking over a fire of \(job)") { () throws(PostgresError) in
            try await connection.execute(CoordinationQueries.takeOver, name + [.text(host), .text(owner)])
        }
        return taken == 1 ? .taken(run) : .running
    }

    /// What would keep hosts from agreeing through a database; changes nothing.
    ///
    /// - Throws: ``JobError`` if the database cannot be asked.
    package func findings(on database: DatabaseAccess) async throws(JobError) -> [Finding] {
        let connection = try await connect(to: database)
        let result: Result<[Finding], JobError>
        do throws(JobError) {
            try await refusePooler(connection)
            let may = try await asking("looking for the table pgcaretaker.fires") { () throws(PostgresError) in
                try await connection.query(CoordinationQueries.rights).scalar
            }
            let role = quoteIdentifier(connection.user)
            result = .success(
                may == "true"
                    ? []
                    : [
                        .error(
                            "the role \(connection.user) can neither use nor make the table pgcaretaker.fires, by which hosts agree",
                            hint: "CREATE SCHEMA IF NOT EXISTS pgcaretaker AUTHORIZATION \(role);", code: .permissionDenied)
                    ])
        } catch {
            result = error.code == .poolerDetected ? .success([.error(error)]) : .failure(error)
        }
        await connection.close()
        return try result.get()
    }

    /// How a fire ended that somebody else has run, although the job runs again by now; or that it comes while the one before
    /// still runs.
    private func seen(
        _ job: String, _ database: DatabaseAccess, _ fire: Instant?, _ connection: PostgresConnection
    ) async throws(JobError) -> Claim? {
        guard let fire else { return nil }
        let name: [PostgresParameter] = [.text(job), .text(String(fire.microsecondsSinceEpoch))]
        let rows = try await state(name, connection)
        guard let row = rows.first else {
            let overlaps = try await asking("looking at who runs \(job)") { () throws(PostgresError) in
                try await connection.query(
                    CoordinationQueries.overlapping,
                    name + [.int(CoordinationQueries.lockSpace), .text(Self.lockName(job, database))]
                ).scalar
            }
            return overlaps == "true" ? .overlapping : nil
        }
        guard row.string("ended") == "true", row.string("retries") != "true", let owner = row.string("host")
        else { return nil }
        return .done(host: owner, succeeded: row.string("outcome") == Outcome.succeeded.rawValue)
    }

    private func state(_ name: [PostgresParameter], _ connection: PostgresConnection) async throws(JobError) -> Rows {
        try await asking("looking at a fire") { () throws(PostgresError) in
            try await connection.query(CoordinationQueries.state, name + [.text(String(Self.patience.components.seconds))])
        }
    }

    /// Two databases of one server share its advisory locks only if they bear one name.
    private static func lockName(_ job: String, _ database: DatabaseAccess) -> String { "\(job)\u{1F}\(database.name)" }

    /// A pooler hands a session of the server's to somebody else after each transaction, and our lock with it. What it tells us
    /// of the process that serves us is its own invention.
    private func refusePooler(_ connection: PostgresConnection) async throws(JobError) {
        let served = try await asking("asking who serves the session") { () throws(PostgresError) in
            try await connection.query("SELECT pg_backend_pid()").scalar
        }
        guard !connection.target.viaPooler, served == String(connection.backendPID) else {
            throw JobError(
                .poolerDetected,
                "\(connection.target.summary) is reached through a pooler, which breaks the session locks of coordination",
                hint: "Give the database a URL that leads to the server directly, or set coordination = \"none\".")
        }
    }

    /// Makes the table where it is missing, and lets old rows go, once a day.
    private func prepare(_ database: DatabaseAccess, _ connection: PostgresConnection) async throws(JobError) {
        let now = clock.now()
        let isPrepared = prepared.databases.withLock { known in
            if let last = known[database.name], now - last < .seconds(86400), now >= last { return true }
            return false
        }
        guard !isPrepared else { return }
        let isThere = try await asking("looking for the table pgcaretaker.fires") { () throws(PostgresError) in
            try await connection.query(CoordinationQueries.find).scalar
        }
        if isThere != "true" {
            do throws(JobError) {
                try await asking("making the table pgcaretaker.fires") { () throws(PostgresError) in
                    _ = try await connection.simple(CoordinationQueries.create)
                }
            } catch {
                // Another host may have made it in the same moment.
                let isThereNow = try await asking("looking for the table pgcaretaker.fires") { () throws(PostgresError) in
                    try await connection.query(CoordinationQueries.find).scalar
                }
                guard isThereNow == "true" else { throw error }
            }
        }
        _ = try await asking("removing old rows of pgcaretaker.fires") { () throws(PostgresError) in
            try await connection.execute(CoordinationQueries.forget)
        }
        prepared.databases.withLock { $0[database.name] = now }
    }
}
