import Crypto
import Foundation
import Glibc
import Postgres
import Schedule
import TestSupport
import Testing

@testable import Jobs

@Suite("BackupVerifier and BackupRestorer") struct BackupRestorerTests {
    /// A database with a backup of it, whose role may make databases; those that it makes are dropped afterwards.
    private func withBackup(_ body: (BackupBench, Backup) async throws -> Void) async throws {
        try await TestCluster.withDatabase { target in
            let user = target.user ?? ""
            try await TestCluster.shared.administrate("ALTER ROLE \(user) CREATEDB")
            let bench = try await BackupBench.filled(target)
            _ = try await bench.job().run(in: bench.context())
            let result: Result<Void, any Error>
            do {
                result = .success(try await body(bench, try #require(try bench.catalogue().backups.first)))
            } catch {
                result = .failure(error)
            }
            for name in try await databases(of: bench) where name != target.database {
                try await TestCluster.shared.administrate("DROP DATABASE \(quoteIdentifier(name)) WITH (FORCE)")
            }
            try result.get()
        }
    }

    private func databases(of bench: BackupBench) async throws -> [String] {
        try await PostgresConnection.with(bench.target) {
            try await $0.column("SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = current_user ORDER BY 1")
        }
    }

    private func failure(_ body: () async throws -> Void) async throws -> JobError? {
        do {
            try await body()
            return nil
        } catch let error as JobError {
            return error
        }
    }

    /// The same backup with other bytes and a manifest that fits them, as if it had been damaged before it was measured.
    private func replaced(_ backup: Backup, with bytes: [UInt8]) throws -> Backup {
        try Data(bytes).write(to: URL(fileURLWithPath: backup.dumpPath))
        var manifest = backup.manifest
        manifest.size = Int64(bytes.count)
        manifest.sha256 = Checksum.hexadecimal(SHA256.hash(data: bytes))
        return Backup(directory: backup.directory, name: backup.name, manifest: manifest)
    }

    @Test("a cut and a flipped bit are found, wherever they are", arguments: [0, 1, 500, -1])
    func damage(place: Int) async throws {
        try await withBackup { bench, backup in
            try await bench.verifier.verify(backup)
            let good = try Folder.contents(of: backup.dumpPath, limit: 1 << 30)
            let index = place < 0 ? good.count + place : place
            var flipped = good
            flipped[index] ^= 0x10
            try Data(flipped).write(to: URL(fileURLWithPath: backup.dumpPath))
            let changed = try await failure { try await bench.verifier.verify(backup) }
            #expect(changed?.code == .backupDamaged)
            #expect(changed?.message.contains("has changed since it was made") == true)
            try Data(good[..<index]).write(to: URL(fileURLWithPath: backup.dumpPath))
            let cut = try await failure { try await bench.verifier.verify(backup) }
            #expect(cut?.code == .backupDamaged)
            #expect(cut?.message.contains("bytes long instead of") == true)
            #expect(try bench.catalogue().backups.isEmpty)
            #expect(try bench.catalogue().damaged.count == 1)
        }
    }

    @Test("a dump that was cut before it was measured is found by reading it")
    func cutBefore() async throws {
        try await withBackup { bench, backup in
            let good = try Folder.contents(of: backup.dumpPath, limit: 1 << 30)
            let cut = try replaced(backup, with: Array(good[..<(good.count / 2)]))
            let error = try await failure { try await bench.verifier.verify(cut) }
            #expect(error?.code == .backupDamaged)
            #expect(error?.message.contains("cannot be read to its end") == true)
        }
    }

    @Test("a name that is taken is refused, and with replacing the old database stays under another name")
    func replacing() async throws {
        try await withBackup { bench, backup in
            let name = backup.manifest.database + "_live"
            _ = try await bench.restorer.restore(backup, into: name)
            let live = bench.target.with(database: name)
            let original = try await fingerprint(of: live)
            try await PostgresConnection.with(live) { _ = try await $0.simple("UPDATE users SET name = 'changed'") }
            let changed = try await fingerprint(of: live)
            let refused = try await failure { _ = try await bench.restorer.restore(backup, into: name) }
            #expect(refused?.code == .databaseExists)
            #expect(refused?.hint?.contains("--replace") == true)
            #expect(try await fingerprint(of: live) == changed)
            // A session of the application does not keep it from being put aside.
            let application = try await PostgresConnection.connect(to: live)
            let outcome = try await bench.restorer.restore(backup, into: name, replacing: true)
            await application.close()
            let aside = try #require(outcome.replaced)
            #expect(aside.hasPrefix("\(name)_before_restore_"))
            #expect(try await fingerprint(of: live) == original)
            #expect(try await fingerprint(of: bench.target.with(database: aside)) == changed)
            #expect(try await databases(of: bench) == [backup.manifest.database, name, aside].sorted())
        }
    }

    @Test("a dump that breaks off leaves nothing, and what was to be replaced is as it was")
    func brokenDump() async throws {
        try await withBackup { bench, backup in
            let before = try await databases(of: bench)
            let rows = try await fingerprint(of: bench.target)
            let good = try Folder.contents(of: backup.dumpPath, limit: 1 << 30)
            for dump in [Array(good[..<(good.count * 3 / 4)]), Array("no dump at all".utf8)] {
                let broken = try replaced(backup, with: dump)
                for (name, replacing) in [("\(backup.manifest.database)_new", false), (backup.manifest.database, true)] {
                    let error = try await failure { _ = try await bench.restorer.restore(broken, into: name, replacing: replacing) }
                    #expect(error?.message.hasPrefix("the restore failed: ") == true, "\(error?.message ?? "")")
                    #expect(try await databases(of: bench) == before)
                }
            }
            #expect(try await fingerprint(of: bench.target) == rows)
            #expect(bench.secrets.isEmpty)
        }
    }

    @Test("a role that may not make databases is told what it lacks")
    func noCreateDB() async throws {
        try await withBackup { bench, backup in
            try await TestCluster.shared.administrate("ALTER ROLE \(bench.target.user ?? "") NOCREATEDB")
            let error = try await failure { _ = try await bench.restorer.restore(backup, into: "nothing_of_the_kind") }
            #expect(error?.code == .permissionDenied)
            #expect(error?.hint?.contains("CREATEDB") == true)
        }
    }
}
