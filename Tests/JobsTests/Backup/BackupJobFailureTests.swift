import Foundation
import Glibc
import Postgres
import Schedule
import TestSupport
import Testing

@testable import Jobs

@Suite("BackupJob: failures", .timeLimit(.minutes(2))) struct BackupJobFailureTests {
    private static let keepOne = OptionValue.table([
        "last": .integer(1), "daily": .integer(0), "weekly": .integer(0), "monthly": .integer(0), "yearly": .integer(0),
    ])

    /// Nothing new is there, nothing old is gone, nothing is left behind.
    private func expectUntouched(_ bench: BackupBench, _ past: [Backup]) throws {
        #expect(bench.files == past.flatMap { [$0.name.dump, $0.name.manifest] }.sorted())
        #expect(bench.secrets.isEmpty)
        #expect(try bench.catalogue().backups.count == past.count)
    }

    @Test(
        "a pg_dump that goes wrong, whatever it claims, leaves no backup, prunes none and is told of",
        arguments: [
            (.diesHalfWay, .programFailed, "the dump failed: pg_dump was ended by signal 11"),
            (.failsHalfWay, .programFailed, "the dump failed: pg_dump exited with status 1: the moon is in the wrong phase"),
            (.writesHalf, .programFailed, "pg_dump reported success, but "),
            (.writesNothing, .programFailed, "pg_dump reported success, but "),
            (.writesNonsense, .programFailed, "pg_dump reported success, but "),
            (.isTooOld, .programTooOld, "pg_dump 9.6.24 is older than the server, which is PostgreSQL 15"),
        ] as [(FakePrograms.Behaviour, JobError.Code, String)])
    func badDump(behaviour: FakePrograms.Behaviour, code: JobError.Code, message: String) async throws {
        try await TestCluster.withDatabase { target in
            let bench = try await BackupBench.filled(target)
            let past = try bench.plantPast()
            let fakes = try FakePrograms(behaviour, programs: try await TestCluster.shared.cluster.programs.directory)
            let job = try bench.job("nightly", ["pg_bin": .text(fakes.directory), "keep": Self.keepOne])
            let error = await bench.failure(of: job)
            #expect(error?.code == code)
            #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")")
            try expectUntouched(bench, past)
        }
    }

    @Test("a pg_dump that complains at length but does its work makes a backup, and its words are kept")
    func shouts() async throws {
        try await TestCluster.withDatabase { target in
            let bench = try await BackupBench.filled(target)
            try bench.plantPast()
            let fakes = try FakePrograms(.shoutsAndSucceeds, programs: try await TestCluster.shared.cluster.programs.directory)
            let summary = try await bench.job("nightly", ["pg_bin": .text(fakes.directory), "keep": Self.keepOne]).run(
                in: bench.context())
            #expect(summary.warnings.count == 11)
            #expect(summary.warnings.first == "pg_dump: warning: circle 1")
            #expect(summary.warnings.last == "… and 2 more lines")
            let backups = try bench.catalogue().backups
            #expect(backups.map(\.manifest.warnings) == [12])
        }
    }

    @Test("a pg_dump that hangs ends with the task that is cancelled, and its children too")
    func hangs() async throws {
        try await TestCluster.withDatabase { target in
            let bench = try await BackupBench.filled(target)
            let past = try bench.plantPast()
            let fakes = try FakePrograms(.hangs, programs: try await TestCluster.shared.cluster.programs.directory)
            let job = try bench.job("nightly", ["pg_bin": .text(fakes.directory), "keep": Self.keepOne])
            let (begun, continuation) = AsyncStream<Void>.makeStream()
            let context = bench.context(progress: ProgressSink { if $0.completed > 0 { continuation.yield() } })
            let run = Task { await bench.failure(of: job, context) }
            for await _ in begun { break }
            #expect(bench.files.contains { $0.hasSuffix(".partial") })
            run.cancel()
            #expect(await run.value?.code == .cancelled)
            try expectUntouched(bench, past)
        }
    }

    @Test("what the role may not read is named by check, and by the run that fails of it")
    func noSelect() async throws {
        try await TestCluster.withDatabase { target in
            let bench = try await BackupBench.filled(target)
            let past = try bench.plantPast()
            let chief = try await TestCluster.shared.administrator.with(database: #require(target.database))
            try await PostgresConnection.with(chief) {
                _ = try await $0.simple(
                    #"CREATE SCHEMA "Vault"; GRANT USAGE ON SCHEMA "Vault" TO PUBLIC; CREATE TABLE "Vault"."Keys" (i int)"#)
            }
            let findings = try await bench.job().findings(in: bench.context(dryRun: true))
            #expect(
                findings.map(\.message) == ["the role \(target.user ?? "") may not read Vault.Keys, so that pg_dump would fail"])
            let error = await bench.failure(of: try bench.job())
            #expect(error?.code == .permissionDenied)
            #expect(error?.message.contains("permission denied for table Keys") == true, "\(error?.message ?? "")")
            #expect(error?.hint?.contains("pg_read_all_data") == true)
            try expectUntouched(bench, past)
        }
    }

    @Test("row-level security that hides rows makes the dump fail, and check says so before")
    func rowSecurity() async throws {
        try await TestCluster.withDatabase { target in
            let bench = try await BackupBench.filled(target)
            let past = try bench.plantPast()
            try await PostgresConnection.with(target) {
                _ = try await $0.simple("ALTER TABLE users ENABLE ROW LEVEL SECURITY; ALTER TABLE users FORCE ROW LEVEL SECURITY")
            }
            let findings = try await bench.job().findings(in: bench.context(dryRun: true))
            #expect(findings.map(\.severity) == [.error])
            #expect(findings.first?.message.contains("public.users") == true)
            let error = await bench.failure(of: try bench.job())
            #expect(error?.code == .permissionDenied)
            #expect(error?.hint?.contains("BYPASSRLS") == true)
            try expectUntouched(bench, past)
        }
    }

    @Test("a table that somebody holds exclusively ends the dump after lock_timeout, to be tried again")
    func tableHeld() async throws {
        try await TestCluster.withDatabase { target in
            let bench = try await BackupBench.filled(target)
            let past = try bench.plantPast()
            try await PostgresConnection.with(target) { other in
                try await other.simple("BEGIN; LOCK TABLE users")
                let error = await bench.failure(of: try bench.job("nightly", ["lock_timeout": .duration(.milliseconds(100))]))
                #expect(error?.code == .lockTimeout)
                #expect(error?.isWorthRetrying == true)
                try expectUntouched(bench, past)
            }
        }
    }

    @Test(
        "a server that stops while it is dumped is worth another try", arguments: [.fast, .immediate] as [PrivateCluster.StopMode])
    func serverStops(mode: PrivateCluster.StopMode) async throws {
        let cluster = try await PrivateCluster.start()
        do {
            let bench = try await BackupBench.filled(cluster.target)
            let past = try bench.plantPast()
            let job = try bench.job("nightly", ["lock_timeout": .duration(.seconds(3600))])
            let holder = try await PostgresConnection.connect(to: cluster.target)
            try await holder.simple("BEGIN; LOCK TABLE users")
            let run = Task { await bench.failure(of: job) }
            try await PostgresConnection.with(cluster.target) { watcher in
                try await watcher.wait(
                    until: """
                        SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgcaretaker nightly' AND wait_event_type = 'Lock'
                        """, is: "1")
            }
            try await cluster.stop(mode)
            let error = await run.value
            #expect(error?.code == .databaseUnreachable, "\(error?.message ?? "")")
            #expect(error?.isWorthRetrying == true)
            try expectUntouched(bench, past)
            let refused = await bench.failure(of: job)
            #expect(refused?.code == .databaseUnreachable)
            #expect(refused?.isWorthRetrying == true)
            await holder.close()
        } catch {
            await cluster.remove()
            throw error
        }
        await cluster.remove()
    }

    @Test(
        "a disk that fills up, or that is too small from the start, is told with numbers", .enabled(if: SmallDisk.isPossible),
        arguments: [1, 8])
    func fullDisk(megabytes: Int) async throws {
        try await TestCluster.withDatabase { target in
            let bench = try BackupBench(target)
            try await PostgresConnection.with(target) { connection in
                // 12 MB that do not compress.
                try await connection.simple(
                    """
                    CREATE TABLE noise (bytes bytea); ALTER TABLE noise ALTER bytes SET STORAGE EXTERNAL;
                    INSERT INTO noise SELECT string_agg(sha512((i * 8000 + j)::text::bytea), ''::bytea)
                    FROM generate_series(1, 24) AS i, generate_series(1, 8000) AS j GROUP BY i;
                    """)
            }
            mkdir(bench.directory, 0o700)
            let disk = try SmallDisk(at: bench.directory, megabytes: megabytes)
            // The small size of the last backup makes the guess a low one.
            let past = megabytes == 1 ? [] : try bench.plantPast()
            let error = await bench.failure(of: try bench.job("nightly", ["keep": Self.keepOne, "compression": .text("zstd:1")]))
            #expect(error?.code == .diskFull)
            let message = error?.message ?? ""
            if megabytes == 1 {
                #expect(message.contains("free at \(bench.directory), but the backup needs about"), "\(message)")
            } else {
                #expect(message.contains("no space left on device, after ") && message.hasSuffix(" of the backup"), "\(message)")
            }
            #expect(error?.hint != nil)
            try expectUntouched(bench, past)
            withExtendedLifetime(disk) {}
        }
    }
}

/// A file system of a few megabytes in memory, mounted over a folder as long as this lives.
final class SmallDisk: Sendable {
    private let path: String

    init(at path: String, megabytes: Int) throws {
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(megabytes)m,mode=0700") == 0 else {
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EPERM)
        }
        self.path = path
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }

    /// Whether this process may mount.
    static let isPossible: Bool = {
        guard let folder = try? TemporaryFolder("mount"), let disk = try? SmallDisk(at: folder.path, megabytes: 1) else {
            return false
        }
        withExtendedLifetime(disk) {}
        return true
    }()
}
