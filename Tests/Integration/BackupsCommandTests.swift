import Command
import Foundation
import Glibc
import Postgres
import Synchronization
import TestSupport
import Testing

@Suite("pgcaretaker backups")
struct BackupsCommandTests {
    /// Runs a body with an installation that has one backup of a School ERP database whose role may make databases.
    func withBackup(_ body: (Installation, ConnectionTarget, [String: Any]) async throws -> Void) async throws {
        let programs = try await TestCluster.shared.cluster.programs.directory
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await SchoolERP.create(in: connection)
                try await SchoolERP.fill(connection, activities: 500, users: 50)
            }
            try await TestCluster.shared.administrate("ALTER ROLE \(target.user ?? "") CREATEDB")
            let installation = try Installation(schoolConfiguration(target, programs: programs))
            let made = try await installation.run("run", "nightly-backup")
            #expect(made.status == 0, "\(made)")
            let backup = try #require(try await installation.run("backups", "list", "--json").objects().first)
            try await body(installation, target, backup)
        }
    }

    @Test("a backup is listed, verified and restored, and the rows are all there")
    func roundTrip() async throws {
        try await withBackup { installation, target, backup in
            #expect(
                Set(backup.keys) == [
                    "id", "job", "database", "state", "reason", "path", "started_at", "ended_at", "duration", "size",
                    "uncompressed_size", "database_size", "sha256", "server_version", "pg_dump_version", "host", "compression",
                ])
            let path = try #require(backup["path"] as? String)
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            #expect(attributes[.size] as? Int == backup["size"] as? Int)
            #expect(try await installation.run("backups").output.contains("complete"))

            let verified = try await installation.run("backups", "verify")
            #expect(verified.status == 0 && verified.output.contains("intact"), "\(verified)")

            let copy = "\(target.database ?? "")_copy"
            let restored = try await installation.run("backups", "restore", "latest", "--into", copy)
            #expect(restored.status == 0, "\(restored)")
            let rows = try await PostgresConnection.with(target.with(database: copy)) {
                try await $0.query("SELECT count(*) FROM activities").scalar
            }
            #expect(rows == "500")
            let again = try await installation.run("backups", "restore", backup["id"] as? String ?? "", "--into", copy)
            #expect(again.status == 1, "\(again)")
            #expect(again.errors.contains("the database \(copy) exists") && again.errors.contains("--replace"), "\(again)")
            let replaced = try await installation.run("backups", "restore", "--into", copy, "--replace")
            #expect(replaced.status == 0, "\(replaced)")
            let aside = try #require(replaced.output.split(separator: " ").first { $0.hasPrefix("\(copy)_before_restore_") })
            try await TestCluster.shared.administrate(
                "DROP DATABASE \(copy)", "DROP DATABASE \(quoteIdentifier(aside.trimmingCharacters(in: [";"])))")
        }
    }

    @Test("a backup that has changed on disk is told as damaged by verify, with 65")
    func damaged() async throws {
        try await withBackup { installation, _, backup in
            let path = try #require(backup["path"] as? String)
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
            try file.seek(toOffset: 1000)
            let byte = try #require(try file.read(upToCount: 1)?.first)
            try file.seek(toOffset: 1000)
            try file.write(contentsOf: Data([byte ^ 1]))
            try file.close()
            let answer = try await installation.run("backups", "verify", "--json")
            #expect(answer.status == 65, "\(answer)")
            #expect(try answer.objects().first?["intact"] as? Bool == false)
            let text = try await installation.run("backups", "verify", "latest")
            #expect(text.status == 65 && text.errors.contains("DAMAGED"), "\(text)")
            let restore = try await installation.run("backups", "restore", "--into", "never_made")
            #expect(restore.status == 65, "\(restore)")
        }
    }

    @Test("what is damaged is among what verify tells as JSON")
    func damagedAsJSON() async throws {
        try await withBackup { installation, _, backup in
            let path = try #require(backup["path"] as? String)
            try FileManager.default.removeItem(atPath: path.replacing(".dump.zst", with: ".json"))
            let answer = try await installation.run("backups", "verify", "--json")
            #expect(answer.status == 65 && answer.errors == "", "\(answer)")
            let found = try #require(try answer.objects().first)
            #expect(found["path"] as? String == path && found["intact"] as? Bool == false && found["id"] is NSNull)
            #expect((found["reason"] as? String)?.contains("is missing") == true)
        }
    }

    @Test("latest is of one database: with backups of two, it must be said of which")
    func latest() async throws {
        try await withBackup { installation, target, backup in
            try await TestCluster.withDatabase { other in
                let programs = try await TestCluster.shared.cluster.programs.directory
                func database(_ name: String, _ target: ConnectionTarget) -> String {
                    "[databases.\(name)]\nurl = \(target.tomlURL)\n"
                }
                try installation.configure(
                    database("one", target) + database("two", other) + """
                        [jobs.nightly-backup]
                        kind = "backup"
                        schedule = "@daily"
                        databases = "*"
                        directory = "BACKUPS"
                        pg_bin = "\(programs)"
                        """)
                #expect(try await installation.run("run", "nightly-backup", "--database", "two").status == 0)
                let unclear = try await installation.run("backups", "restore", "latest", "--into", "never_made")
                #expect(unclear.status == 64 && unclear.errors.contains("--database"), "\(unclear)")
                let copy = "\(target.database ?? "")_copy"
                let clear = try await installation.run(
                    "backups", "restore", "latest", "--database", target.database ?? "", "--into", copy)
                #expect(clear.output == "restored \(backup["id"] as? String ?? "") into \(copy)\n", "\(clear)")
                try await TestCluster.shared.administrate("DROP DATABASE \(copy)")
                let none = try await installation.run("backups", "verify", "latest", "--database", "three")
                #expect(none.status == 1 && none.errors.contains("no complete backup of three"), "\(none)")
            }
        }
    }

    @Test("a restore that is interrupted leaves neither half a database nor a file")
    func interrupted() async throws {
        try await withBackup { installation, target, _ in
            let programs = try await TestCluster.shared.cluster.programs.directory
            let fakes = try TemporaryFolder("fakes")
            try FileManager.default.createSymbolicLink(
                atPath: fakes.path("pg_dump"), withDestinationPath: "\(programs)/pg_dump")
            try fakes.write(
                "#!/bin/sh\nif [ \"$1\" = --version ]; then exec \(programs)/pg_restore --version; fi\nexec sleep 1000\n",
                to: "pg_restore", mode: 0o755)
            try installation.configure(schoolConfiguration(target, programs: fakes.path))
            let half = "\(target.database ?? "")_half"
            var command = try installation.command(
                ["backups", "restore", "--into", half], environment: ["TMPDIR": installation.backups])
            command.arguments = ["-c", "echo \"$$\" >&2; exec \"$0\" \"$@\"", command.executable] + command.arguments
            command.executable = "/bin/sh"
            let process = Mutex<pid_t?>(nil)
            let started = command
            async let answer = Installation.run(started) { line in process.withLock { $0 = $0 ?? pid_t(line) } }
            let administrator = try await TestCluster.shared.administrator
            func left() async throws -> String? {
                try await PostgresConnection.with(administrator) {
                    try await $0.query("SELECT count(*) FROM pg_database WHERE starts_with(datname, $1)", [.text(half)]).scalar
                }
            }
            let limit = ContinuousClock.now + .seconds(30)
            while try await left() == "0" { try #require(.now < limit) }
            let known = try #require(process.withLock { $0 })
            kill(known, SIGINT)
            let end = try await answer
            #expect(end.status == 1 && end.errors.contains("cancelled"), "\(end)")
            #expect(try await left() == "0")
            let files = try FileManager.default.contentsOfDirectory(atPath: installation.backups)
            #expect(files.count == 2, "\(files)")
        }
    }

    @Test("prune --dry-run tells what would go and why the others stay, and deletes nothing")
    func prune() async throws {
        try await withBackup { installation, _, _ in
            let dry = try await installation.run("backups", "prune", "--dry-run", "--json")
            #expect(dry.status == 0, "\(dry)")
            let rows = try dry.objects()
            #expect(rows.map { $0["kept"] as? Bool } == [true])
            #expect((rows.first?["reasons"] as? [String])?.isEmpty == false)
            let real = try await installation.run("backups", "prune")
            #expect(real.status == 0 && real.output.contains("0 backups deleted, 1 kept"), "\(real)")
            #expect(try await installation.run("backups", "list", "--json").objects().count == 1)
        }
    }

    @Test("an unknown id is told, and ends with 1")
    func unknown() async throws {
        try await withBackup { installation, _, _ in
            let answer = try await installation.run("backups", "verify", "nonsense")
            #expect(answer.status == 1, "\(answer)")
            #expect(answer.errors.contains("nonsense"), "\(answer)")
        }
    }

    @Test("a backup restores without pgcaretaker, as the README says")
    func byHand() async throws {
        try await withBackup { _, target, backup in
            let programs = try await TestCluster.shared.cluster.programs.directory
            let path = try #require(backup["path"] as? String)
            let copy = "\(target.database ?? "")_by_hand"
            try await TestCluster.shared.administrate("CREATE DATABASE \(copy) OWNER \(target.user ?? "")")
            let script = "zstd -dc \"$1\" | \"$2/pg_restore\" --exit-on-error -d \"$3\""
            let answer = try await Installation.run(
                Program(
                    executable: "/bin/sh",
                    arguments: ["-c", script, "restore", path, programs, target.with(database: copy).connectionString],
                    environment: ["PATH": "/usr/bin:/bin"], user: Installation.user))
            #expect(answer.status == 0, "\(answer)")
            let rows = try await PostgresConnection.with(target.with(database: copy)) {
                try await $0.query("SELECT count(*) FROM users").scalar
            }
            #expect(rows == "50")
            try await TestCluster.shared.administrate("DROP DATABASE \(copy)")
        }
    }
}
