import Command
import Foundation
import Glibc
import Postgres
import Synchronization
import TestSupport
import Testing

@Suite("Several daemons on one database", .serialized)
struct CoordinationTests {
    static let hosts = 3

    /// A generator that repeats itself.
    struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 29)
        }
    }

    /// Runs a body with a server of its own, that may be restarted, and a role and a database on it.
    func withServer(_ body: (PrivateCluster, ConnectionTarget) async throws -> Void) async throws {
        var options = PrivateCluster.Options()
        options.settings = ["autovacuum": "off", "max_connections": "300", "timezone": "Asia/Kolkata"]
        let cluster = try await PrivateCluster.start(options)
        let outcome: Result<Void, any Error>
        do {
            try await PostgresConnection.with(cluster.target) { connection in
                try await connection.simple("CREATE ROLE keeper LOGIN")
                try await connection.simple("CREATE DATABASE school OWNER keeper")
            }
            try await body(cluster, cluster.target.with(database: "school").with(user: "keeper", password: nil))
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        await cluster.remove()
        try outcome.get()
    }

    func configuration(_ target: ConnectionTarget, _ jobs: String) -> String {
        "timezone = \"UTC\"\ncoordination = \"database\"\nmax_parallel_jobs = 8\n[database]\nurl = \(target.tomlURL)\n\(jobs)"
    }

    @Test(
        "500 fires become 500 runs, none twice and none lost, while daemons are killed and the server restarts",
        .timeLimit(.minutes(5)))
    func chaos() async throws {
        try await withServer { cluster, target in try await chaos(cluster, target) }
    }

    /// What is done to the daemons, and when.
    private func disturb(_ cluster: PrivateCluster, _ installations: [Installation]) async throws {
        let school = cluster.target.with(database: "school")
        var dice = Dice(state: 4711)
        // Before the first claim the table is not there.
        try await wait(school, "SELECT (to_regclass('pgcaretaker.fires') IS NOT NULL)::text")
        let done = "FROM pgcaretaker.fires WHERE outcome = 'succeeded'"
        for count in stride(from: 10, through: 190, by: 30) {
            try await wait(school, "SELECT (count(*) >= \(count))::text \(done)")
            installations[Int.random(in: 0..<Self.hosts, using: &dice)].killDaemon()
        }
        try await cluster.restart(.fast)
        for count in stride(from: 220, through: 420, by: 40) {
            try await wait(school, "SELECT (count(*) >= \(count))::text \(done)")
            installations[Int.random(in: 0..<Self.hosts, using: &dice)].killDaemon()
        }
        try await wait(school, "SELECT (count(*) >= 500)::text \(done)")
    }

    private func wait(_ target: ConnectionTarget, _ sql: String) async throws {
        try await PostgresConnection.with(target) { connection in
            try await connection.wait(until: sql, is: "true", patience: .seconds(120))
        }
    }

    private final class Flag: Sendable {
        private let state = Mutex(false)
        var isSet: Bool { state.withLock { $0 } }
        func set() { state.withLock { $0 = true } }
    }

    /// Keeps a daemon running, as systemd would, until it is over.
    private func keep(_ installation: Installation, until isOver: Flag) async throws {
        while !isOver.isSet {
            try await ForegroundDaemon.with(installation, patience: .seconds(280)) { daemon in
                installation.note(daemon)
                try await daemon.ended(or: { isOver.isSet })
            }
        }
    }

    private func chaos(_ cluster: PrivateCluster, _ target: ConnectionTarget) async throws {
        // A minute in which each of fifty jobs fires ten times: the next one that leaves the daemons time to start.
        let minute = ((Int(Date.now.timeIntervalSince1970) + 12) / 60 + 1) % 60
        let jobs = (0..<50).map { number in
            "[jobs.j\(number)]\nkind = \"table-sizes\"\nschedule = \"\(number % 6)-59/6 \(minute) * * * *\"\ncatch_up = true\nretry_delay = \"1s\"\n"
        }
        let text = configuration(target, jobs.joined())
        let installations = try (0..<Self.hosts).map { _ in try Installation(text) }
        let isOver = Flag()
        let keepers = installations.map { installation in Task { try await keep(installation, until: isOver) } }
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await disturb(cluster, installations))
        } catch {
            outcome = .failure(error)
        }
        isOver.set()
        for installation in installations { installation.stopDaemon() }
        for keeper in keepers { try await keeper.value }
        try outcome.get()
        let rows = try await PostgresConnection.with(cluster.target.with(database: "school")) { connection in
            try await connection.query("SELECT count(*) FROM pgcaretaker.fires").scalar
        }
        #expect(rows == "500")
        // No fire succeeded in two histories. One whose host was killed between the two places in which it writes the end is
        // shown there as interrupted, and not run again.
        var successes: [String: Int] = [:]
        var interrupted: Set<String> = []
        for installation in installations {
            let history = try await installation.run("history", "--limit", "100000", "--json")
            for run in try history.objects() {
                let fire = "\(run["job"] ?? "") \(run["scheduled_at"] ?? "")"
                if run["outcome"] as? String == "succeeded" { successes[fire, default: 0] += 1 }
                if run["error_code"] as? String == "interrupted" { interrupted.insert(fire) }
            }
        }
        #expect(interrupted.union(successes.keys).count == 500)
        #expect(successes.values.allSatisfy { $0 == 1 }, "\(successes.filter { $0.value != 1 })")
    }

    @Test("a run that is going on another host keeps one by hand away: 75")
    func byHand() async throws {
        try await withServer { cluster, target in
            let jobs = "[jobs.sizes]\nkind = \"table-sizes\"\nschedule = \"@daily\"\n"
            let installation = try Installation(configuration(target, jobs))
            let first = try await installation.run("run", "sizes")
            #expect(first.status == 0, "\(first)")
            try await PostgresConnection.with(target) { connection in
                // What another host's session holds.
                let held = try await connection.query(
                    "SELECT pg_try_advisory_lock(1885823841, hashtext('sizes' || chr(31) || 'main'))::text"
                ).scalar
                #expect(held == "true")
                let answer = try await installation.run("run", "sizes")
                #expect(answer.status == 75, "\(answer)")
                #expect(answer.errors.contains("another host"), "\(answer)")
            }
            #expect(try await installation.run("run", "sizes").status == 0)
        }
    }

    @Test("a pooler in between is noticed and refused with the reason")
    func pooler() async throws {
        try await withServer { cluster, target in
            let jobs = "[jobs.sizes]\nkind = \"table-sizes\"\nschedule = \"@daily\"\n"
            let installation = try Installation(
                "coordination = \"database\"\n[database]\nurl = \"postgresql://keeper@localhost/school?host=\(cluster.socketDirectory)&port=\(cluster.port)&pgbouncer=true\"\n\(jobs)"
            )
            let answer = try await installation.run("run", "sizes")
            #expect(answer.status == 1, "\(answer)")
            #expect(answer.errors.contains("through a pooler") && answer.errors.contains("coordination = \"none\""), "\(answer)")
            let check = try await installation.run("check")
            #expect(check.status == 78 && check.errors.contains("coordination on main:"), "\(check)")
            // Straight to the server all is well.
            try installation.configure(configuration(target, jobs))
            #expect(try await installation.run("check").status == 0)
        }
    }

    @Test("a role that may not make the table is given the statement that helps")
    func rights() async throws {
        try await withServer { cluster, target in
            try await PostgresConnection.with(cluster.target) { connection in
                _ = try await connection.simple("ALTER DATABASE school OWNER TO postgres")
            }
            let jobs = "[jobs.sizes]\nkind = \"table-sizes\"\nschedule = \"@daily\"\n"
            let installation = try Installation(configuration(target, jobs))
            let answer = try await installation.run("check")
            #expect(answer.status == 77, "\(answer)")
            let statement = try #require(answer.errors.split(separator: "\n").first { $0.contains("HINT: ") })
                .replacing("HINT: ", with: "").trimmingCharacters(in: .whitespaces)
            try await PostgresConnection.with(cluster.target.with(database: "school")) { connection in
                _ = try await connection.simple(statement)
            }
            #expect(try await installation.run("check").status == 0)
            #expect(try await installation.run("run", "sizes").status == 0)
        }
    }
}
