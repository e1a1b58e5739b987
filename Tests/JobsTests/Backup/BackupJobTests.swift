import Command
import Foundation
import Glibc
import Postgres
import Schedule
import TestSupport
import Testing

@testable import Jobs

extension BackupBench {
    /// A bench over a database with the application's tables in it.
    static func filled(_ target: ConnectionTarget, activities: Int = 300) async throws -> BackupBench {
        try await PostgresConnection.with(target) { connection in
            try await SchoolERP.create(in: connection)
            try await SchoolERP.fill(connection, activities: activities, users: 20)
        }
        return try BackupBench(target)
    }

    /// Backups of past years, as they would be there before a run, in the folder that this makes.
    @discardableResult
    func plantPast(_ days: [String] = ["2020-01-01", "2020-01-02"], database: String? = nil) throws -> [Backup] {
        mkdir(directory, 0o700)
        return try days.map {
            try plant("\($0)T02:00:00Z", in: directory, database: database ?? target.database ?? "")
        }
    }

    /// What restores on this machine.
    var restorer: BackupRestorer {
        BackupRestorer(
            target: target, verifier: verifier, privateDirectory: privateDirectory, clock: clock)
    }

    /// What checks on this machine.
    var verifier: BackupVerifier { BackupVerifier(environment: ["PATH": "/usr/bin:/bin"]) }
}

/// What a database's rows come to.
func fingerprint(of target: ConnectionTarget) async throws -> String? {
    try await PostgresConnection.with(target) { connection in
        try await connection.query(
            """
            SELECT (SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM users u)
                || (SELECT md5(string_agg(a::text, ',' ORDER BY id)) FROM activities a)
            """
        ).scalar
    }
}

@Suite("BackupJob") struct BackupJobTests {
    @Test("a backup is published with its manifest, private, whole, and restores to the same rows")
    func success() async throws {
        try await TestCluster.withDatabase { target in
            let bench = try await BackupBench.filled(target)
            let summary = try await bench.job().run(in: bench.context(run: "r42"))
            let backup = try #require(try bench.catalogue().backups.first)
            #expect(bench.files == [backup.name.dump, backup.name.manifest])
            #expect(bench.secrets.isEmpty)
            #expect(try mode(of: bench.directory) == 0o700)
            #expect(try mode(of: backup.dumpPath) == 0o600)
            #expect(try mode(of: backup.manifestPath) == 0o600)
            #expect(summary.path == backup.dumpPath)
            #expect(summary.warnings.isEmpty)
            #expect(summary.measures["bytes_written"] == backup.manifest.size)
            #expect(summary.measures["bytes_dumped"] == backup.manifest.uncompressedSize)

            let manifest = backup.manifest
            let version = try await PostgresConnection.with(target) { try await $0.query("SHOW server_version").scalar }
            #expect(manifest.database == target.database)
            #expect(manifest.job == "nightly" && manifest.run == "r42" && manifest.host == BackupJob.hostName())
            #expect(version?.hasPrefix(manifest.serverVersion) == true)
            #expect(manifest.compression == "zstd:3" && manifest.format == "custom" && manifest.encoding == "UTF8")
            #expect(manifest.locale == BackupManifest.Locale(provider: "libc", collate: "C", ctype: "C", name: nil))
            #expect(manifest.databaseSize > 1_000_000 && manifest.warnings == 0)
            #expect(manifest.id == BackupName.identifier(database: manifest.database, startedAt: manifest.startedAt))
            #expect(manifest.programs.pgDump.hasPrefix("15."))
            let sum = try await Pipeline([Program(executable: "/usr/bin/sha256sum", arguments: [backup.dumpPath])]).run(
                output: .collect(limit: 1000))
            #expect(String(decoding: sum.output, as: UTF8.self).hasPrefix(manifest.sha256))

            try await bench.verifier.verify(backup)
            try await TestCluster.shared.administrate("ALTER ROLE \(target.user ?? "") CREATEDB")
            let copy = "\(target.database ?? "")_copy"
            let outcome = try await bench.restorer.restore(backup, into: copy)
            let restored = try await fingerprint(of: target.with(database: copy))
            try await TestCluster.shared.administrate("DROP DATABASE \(copy)")
            #expect(outcome.database == copy && outcome.replaced == nil && outcome.warnings.isEmpty)
            #expect(try await fingerprint(of: target) == restored)
        }
    }

    @Test("a name with capitals, blanks, quotes and '=' is dumped, named and restored as it is")
    func oddName() async throws {
        let suffix = UUID().uuidString.prefix(8)
        let name = #"My "Schöol" = x'y \ "# + suffix
        try await TestCluster.withDatabase { target in
            let user = target.user ?? ""
            try await TestCluster.shared.administrate(
                "ALTER ROLE \(user) CREATEDB", "CREATE DATABASE \(quoteIdentifier(name)) OWNER \(user) TEMPLATE template0")
            let bench = try await BackupBench.filled(target.with(database: name))
            let result: Result<JobSummary, any Error>
            do { result = .success(try await bench.job().run(in: bench.context())) } catch { result = .failure(error) }
            do {
                _ = try result.get()
                let backup = try #require(try bench.catalogue().backups.first)
                #expect(backup.manifest.database == name)
                #expect(
                    backup.name.dump.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "'") })
                let before = try await fingerprint(of: bench.target)
                let outcome = try await bench.restorer.restore(backup, into: name, replacing: true)
                #expect(try await fingerprint(of: bench.target) == before)
                let aside = try #require(outcome.replaced)
                #expect(try await fingerprint(of: target.with(database: aside)) == before)
                try await TestCluster.shared.administrate("DROP DATABASE \(quoteIdentifier(aside)) WITH (FORCE)")
            } catch {
                try await TestCluster.shared.administrate("DROP DATABASE IF EXISTS \(quoteIdentifier(name)) WITH (FORCE)")
                throw error
            }
            try await TestCluster.shared.administrate("DROP DATABASE IF EXISTS \(quoteIdentifier(name)) WITH (FORCE)")
        }
    }

    @Test("after a success the old ones go that the retention does not keep, of this job and database only")
    func prunes() async throws {
        try await TestCluster.withDatabase { target in
            let bench = try await BackupBench.filled(target)
            let past = try bench.plantPast()
            let strange = try bench.plantPast(["2020-01-03"], database: "another")
            let job = try bench.job(
                "nightly",
                ["keep": .table(["last": .integer(1), "daily": .integer(0), "weekly": .integer(0), "monthly": .integer(0)])])
            let dry = try await job.run(in: bench.context(dryRun: true))
            #expect(dry.measures["backups_removed"] == 2)
            #expect(try bench.catalogue().backups.count == 3)
            let summary = try await job.run(in: bench.context())
            #expect(summary.measures["backups_removed"] == 2)
            #expect(summary.measures["backups_kept"] == 1)
            let left = try bench.catalogue().backups
            #expect(left.count == 2 && left[1] == strange[0])
            #expect(!past.contains(left[0]))
            #expect(bench.files.count == 4)
        }
    }

    @Test("backups that begin in the same second get names of their own", arguments: [2])
    func sameSecond(count: Int) async throws {
        try await TestCluster.withDatabase { target in
            let bench = try await BackupBench.filled(target)
            let first = try bench.job("nightly")
            let second = try bench.job("weekly")
            async let one = first.run(in: bench.context())
            async let two = second.run(in: bench.context())
            let paths = [try await one.path, try await two.path]
            let catalogue = try bench.catalogue()
            #expect(catalogue.damaged.isEmpty)
            #expect(Set(catalogue.backups.map(\.dumpPath)) == Set(paths.compactMap(\.self)))
            #expect(Set(catalogue.backups.map(\.id)).count == count)
            #expect(bench.files.count == 2 * count)
            for backup in catalogue.backups { try await bench.verifier.verify(backup) }
        }
    }

    @Test("a dry run writes nothing, not even the folder, and looking does not either")
    func dryRun() async throws {
        try await TestCluster.withDatabase { target in
            let bench = try await BackupBench.filled(target)
            let summary = try await bench.job().run(in: bench.context(dryRun: true))
            #expect(summary.sentence.contains("would dump \(target.database ?? "")"))
            #expect(try await bench.job().findings(in: bench.context(dryRun: true)).isEmpty)
            #expect(!Folder.exists(bench.directory))
            #expect(bench.secrets.isEmpty)
        }
    }

    @Test("pg_dump and zstd run as far back as the job says")
    func niceness() async throws {
        try await TestCluster.withDatabase { target in
            let bench = try await BackupBench.filled(target)
            let real = try await TestCluster.shared.cluster.programs.directory
            let fakes = try FakePrograms(.shoutsAndSucceeds, programs: real)
            // The priority is the nineteenth field of /proc/PID/stat. No other test asks for 3. The compressor may start after us.
            let priorities = bench.folder.path("priorities")
            try fakes.write(
                "pg_dump",
                """
                case "$1" in --version) exec '\(real)/pg_dump' "$@";; esac
                expected=$(($(cut -d ' ' -f 19 /proc/$PPID/stat) + 3))
                [ $expected -le 19 ] || expected=19
                for attempt in $(seq 200); do
                    cat /proc/$$/stat /proc/[0-9]*/stat 2> /dev/null |
                        awk -v parent=$PPID -v nice=$expected '$4 == parent && $19 == nice { print $2 }' |
                        sort -u > '\(priorities)'
                    ! grep -q zstd '\(priorities)' || break
                    sleep 0.05
                done
                exec '\(real)/pg_dump' "$@"
                """)
            _ = try await bench.job("nightly", ["pg_bin": .text(fakes.directory), "nice": .integer(3)]).run(in: bench.context())
            #expect(try String(contentsOfFile: priorities, encoding: .utf8) == "(pg_dump)\n(zstd)\n")
        }
    }

    @Test("a password of any characters reaches pg_dump, and nobody sees it but in a private file that is gone afterwards")
    func password() async throws {
        let special = String(decoding: (33...126).map { UInt8($0) }.filter { !isalnum(Int32($0)).isTrue }, as: UTF8.self)
        let password = "p4 \(special)äß€😀-\(UUID().uuidString)"
        try await TestCluster.withDatabase(password: password) { target in
            let target = try await TestCluster.shared.overLoopback(target)
            let bench = try await BackupBench.filled(target)
            let real = try await TestCluster.shared.cluster.programs.directory
            let fakes = try FakePrograms(.shoutsAndSucceeds, programs: real)
            let seen = bench.folder.path
            try fakes.write(
                "pg_dump",
                """
                case "$1" in --version) exec '\(real)/pg_dump' "$@";; esac
                cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2> /dev/null | tr '\\0' '\\n' > '\(seen)/processes'
                stat -c '%a' "$PGPASSFILE" > '\(seen)/mode'
                exec '\(real)/pg_dump' "$@"
                """)
            let summary = try await bench.job("nightly", ["pg_bin": .text(fakes.directory)]).run(in: bench.context())
            let processes = try String(contentsOfFile: bench.folder.path("processes"), encoding: .utf8)
            #expect(processes.contains("--format=custom") && processes.contains("PGPASSFILE="))
            #expect(!processes.contains(password.suffix(36)))
            #expect(try String(contentsOfFile: bench.folder.path("mode"), encoding: .utf8) == "600\n")
            #expect(bench.secrets.isEmpty)
            #expect(!"\(summary) \(bench.log.messages)".contains(password.suffix(36)))
            for file in bench.files where file.hasSuffix(".json") {
                #expect(!(try String(contentsOfFile: "\(bench.directory)/\(file)", encoding: .utf8)).contains(password.suffix(36)))
            }

            let wrong = try BackupBench(target.with(user: target.user ?? "", password: Secret("wrong-secret")))
            let error = await wrong.failure(of: try wrong.job())
            #expect(error?.code == .databaseRefused)
            #expect(error.map { "\($0)".contains("wrong-secret") } == false)
        }
    }
}

extension Int32 {
    fileprivate var isTrue: Bool { self != 0 }
}
