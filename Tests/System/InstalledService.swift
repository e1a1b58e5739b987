import Command
import Foundation
import Systemd
import Testing

/// pgcaretaker on a booted machine: installed as its users do, with an application's database to look after.
struct InstalledService: Sendable {
    static let unit = "pgcaretaker.service"
    static let configurationFile = "/etc/pgcaretaker/pgcaretaker.toml"
    static let backups = "/var/backups/pgcaretaker"

    let machine: BootedMachine

    /// The service on the machine of the suite that the current test belongs to; see ``Trait/installedService(database:)``.
    static var current: InstalledService {
        get throws { InstalledService(machine: try .current) }
    }

    /// Installs the program, and makes the database with what `grants.sql` grants.
    static func prepare(_ machine: BootedMachine, database: Bool) async throws {
        try await machine.install()
        try await machine.demand("rm", "/root/pgcaretaker")
        guard database else { return }
        // What authenticated each connection is then in the server's log.
        try await machine.sql("ALTER SYSTEM SET log_connections = on")
        try await machine.sql("CREATE DATABASE \(SchoolDatabase.name)")
        try await machine.sql("SELECT pg_reload_conf()")
        try await InstalledService(machine: machine).fillDatabase()
    }

    /// Makes the rows of the database anew.
    func fillDatabase() async throws {
        try await machine.sql(SchoolDatabase.create, in: SchoolDatabase.name)
        try await machine.demand(
            "psql", "-qX", "-d", SchoolDatabase.name, "-f", "/etc/pgcaretaker/grants.sql", as: "postgres")
    }

    // MARK: A test's beginning

    /// Brings the service into the state after its installation, stopped, with this configuration.
    ///
    /// - Parameters:
    ///   - dropIn: lines for the section `[Service]` of the unit.
    /// - Returns: the place in the journal after which everything is this test's.
    @discardableResult
    func reset(to configuration: String, dropIn: String = "") async throws -> String {
        // A restart that was scheduled could otherwise come into the next test.
        try await machine.demand("systemctl", "stop", Self.unit)
        _ = try await machine.run("systemctl", "reset-failed", Self.unit)
        try await machine.demand(
            "sh", "-euc", "rm -rf /var/lib/pgcaretaker/* \(Self.backups)/* /etc/pgcaretaker/stall /etc/pgcaretaker/hang")
        try await push(configuration)
        try await machine.push("[Service]\n\(dropIn)\n", to: "/etc/systemd/system/\(Self.unit).d/test.conf")
        try await machine.demand("systemctl", "daemon-reload")
        return try await machine.journalEnd()
    }

    /// Replaces the configuration file, which the daemon does not notice by itself.
    func push(_ configuration: String) async throws {
        try await machine.push(configuration, to: Self.configurationFile, mode: "640", owner: "root:pgcaretaker")
    }

    /// Starts the service, which has to succeed, and gives its main process (of the machine).
    @discardableResult
    func start() async throws -> Int32 {
        try await machine.demand("systemctl", "start", Self.unit)
        return try await mainProcess
    }

    /// As ``reset(to:dropIn:)``, then ``start()``.
    @discardableResult
    func restart(with configuration: String, dropIn: String = "") async throws -> String {
        let cursor = try await reset(to: configuration, dropIn: dropIn)
        try await start()
        return cursor
    }

    /// Reloads a configuration with a schedule that is due once, in seconds, and then not for a day.
    func makeDueOnce(_ configuration: (_ schedule: String) -> String) async throws {
        var lead: Int64 = 2
        while true {
            let end = try await machine.journalEnd()
            let fire = Int64(Date().timeIntervalSince1970) + lead
            try await push(configuration("\(fire % 60) \(fire / 60 % 60) \(fire / 3600 % 24) * * *"))
            try await machine.demand("systemctl", "reload", Self.unit)
            let reloaded = try await awaitEvent(.configurationReloaded, after: end)
            let microseconds = reloaded["__REALTIME_TIMESTAMP"].flatMap { Int64($0) } ?? .max
            if microseconds < fire * 1_000_000 { return }
            // The host is busy: that time has passed, and is due again tomorrow.
            lead *= 2
        }
    }

    // MARK: What systemd says of it

    func property(_ name: String) async throws -> String {
        try await machine.property(name, of: Self.unit)
    }

    /// The main process, in the machine; 0 if there is none.
    var mainProcess: Int32 {
        get async throws { Int32(try await property("MainPID")) ?? 0 }
    }

    var statusText: String {
        get async throws { try await property("StatusText") }
    }

    /// Asks until the line that systemd shows is as it should be: the service sends one a second at most.
    @discardableResult
    func awaitStatus(_ condition: (String) -> Bool) async throws -> String {
        let limit = ContinuousClock.now + .seconds(20)
        while true {
            let text = try await statusText
            if condition(text) { return text }
            guard .now < limit else { throw MachineError("the status stays \"\(text)\"") }
        }
    }

    // MARK: What it says in the journal

    /// Waits for an event of the program.
    @discardableResult
    func awaitEvent(
        _ event: JournalEvent, of job: String? = nil, after cursor: String,
        where condition: @escaping @Sendable (JournalEntry) -> Bool = { _ in true }
    ) async throws -> JournalEntry {
        try await machine.awaitEntry("MESSAGE_ID=\(event.messageID)", after: cursor) { entry in
            (job == nil || entry["PGCARETAKER_JOB"] == job) && condition(entry)
        }
    }

    /// The events of that kind until now.
    func events(_ event: JournalEvent, after cursor: String) async throws -> [JournalEntry] {
        try await machine.journal("MESSAGE_ID=\(event.messageID)", after: cursor)
    }

    // MARK: What it remembers

    /// A line of `pgcaretaker history --json`.
    struct Run: Decodable, Hashable, Sendable {
        var runId: String
        var job: String
        var trigger: String
        var attempt: Int
        var scheduledAt: String?
        var startedAt: String
        var outcome: String?
        var skipReason: String?
        var passedFires: Int
        var errorCode: String?
        var message: String?
        var path: String?
        var measures: [String: Int]
    }

    /// The history, oldest first.
    func history(of job: String? = nil) async throws -> [Run] {
        let command = ["pgcaretaker", "history", "--json", "--limit", "1000"] + (job.map { ["--job", $0] } ?? [])
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode([Run].self, from: Data(try await machine.demand(command).utf8)).reversed()
    }

    // MARK: What is beside it

    /// Waits until a condition holds in the application's database. PostgreSQL has no event for it, so it looks often.
    func awaitInDatabase(_ condition: String) async throws {
        let loop = """
            DO $$ BEGIN
                FOR i IN 1..600 LOOP
                    PERFORM pg_stat_clear_snapshot();
                    IF (SELECT \(condition)) THEN RETURN; END IF;
                    PERFORM pg_sleep(0.05);
                    -- Each look is a transaction of its own.
                    COMMIT;
                END LOOP;
                RAISE 'this did not come true: %', $condition$\(condition)$condition$;
            END $$
            """
        try await machine.sql(loop, in: SchoolDatabase.name)
    }

    /// The commands of the processes of the service's user, apart from the main one.
    func children(of mainProcess: Int32) async throws -> [String] {
        let result = try await machine.run("ps", "-u", "pgcaretaker", "-o", "pid=,args=")
        return result.standardOutput.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.hasPrefix("\(mainProcess) ") }
    }

    /// How many sessions of the caretaker's role, pg_dump's included, the server has.
    func sessions() async throws -> Int? {
        Int(try await machine.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'pgcaretaker'"))
    }
}

extension Trait where Self == MachineTrait {
    /// One machine for the suite, with pgcaretaker installed on it and, unless told otherwise, a database for it.
    static func installedService(database: Bool = true) -> Self {
        var trait = MachineTrait(options: .init(startsPostgreSQL: database))
        trait.prepare = { try await InstalledService.prepare($0, database: database) }
        return trait
    }
}
