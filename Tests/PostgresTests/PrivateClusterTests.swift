import Command
import Foundation
import Postgres
import TestSupport
import Testing

@Suite(.serialized) struct PrivateClusterTests {
    @Test("a cluster is made, used, stopped, started and removed, and nobody else can enter it")
    func lifetime() async throws {
        var options = PrivateCluster.Options()
        options.superuser = "Chief X"
        options.settings = ["timezone": "America/New_York", "cluster_name": "it's \\ odd"]
        options.listensOnLoopback = true
        let cluster = try await PrivateCluster.start(options)
        do {
            let mode = try FileManager.default.attributesOfItem(atPath: cluster.directory)[.posixPermissions] as? Int
            #expect(mode == 0o700)
            try await PostgresConnection.with(cluster.target) { connection in
                let row = try #require(
                    try await connection.query(
                        """
                        SELECT current_user AS who, current_setting('cluster_name') AS name, current_setting('fsync') AS fsync,
                            current_setting('listen_addresses') AS listens,
                            (SELECT reset_val FROM pg_settings WHERE name = 'log_timezone') AS zone
                        """
                    ).first)
                #expect(row["who"] == "Chief X")
                #expect(row["name"] == "it's ? odd" || row["name"] == "it's \\ odd")
                #expect(row["fsync"] == "off")
                #expect(row["listens"] == "127.0.0.1")
                try await connection.simple("CREATE TABLE kept (i int)")
                #expect(connection.user == "Chief X")
            }
            var loopback = cluster.target.keywords
            loopback["host"] = "127.0.0.1"
            let refused = try await error {
                try await PostgresConnection.connect(to: ConnectionTarget(keywords: loopback))
            }
            #expect(refused.message.contains("password"))
            try await cluster.stop()
            #expect(!cluster.isRunning)
            try await cluster.start()
            try await PostgresConnection.with(cluster.target) { connection in
                let count = try await connection.query("SELECT count(*) FROM kept").scalar
                #expect(count == "0")
            }
        } catch {
            await cluster.remove()
            throw error
        }
        await cluster.remove()
        #expect(!cluster.isRunning)
        #expect(!FileManager.default.fileExists(atPath: cluster.directory))
    }

    @Test("a setting that the server refuses is in the error, and nothing is left behind")
    func badSetting() async throws {
        let folder = try clusterFolder()
        var options = PrivateCluster.Options()
        options.parent = folder.path
        options.settings = ["no_such_setting": "x"]
        let failure = try await #require(throws: PrivateClusterError.self) { try await PrivateCluster.start(options) }
        #expect(failure.message.contains("pg_ctl"))
        #expect(failure.details?.contains("no_such_setting") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    @Test("a path too long for a socket, and programs that are not there, are told with what to do")
    func refusals() async throws {
        let folder = try clusterFolder()
        var options = PrivateCluster.Options()
        options.parent = folder.path(String(repeating: "long", count: 25))
        try FileManager.default.createDirectory(atPath: options.parent, withIntermediateDirectories: false)
        let failure = try await #require(throws: PrivateClusterError.self) { try await PrivateCluster.create(options) }
        #expect(failure.message.contains("too long") && failure.hint?.contains("/tmp") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: options.parent).isEmpty)
        let missing = try #require(throws: PrivateClusterError.self) { try ServerPrograms.find(in: folder.path) }
        #expect(missing.message.contains(folder.path) && missing.hint?.contains("postgresql-15") == true)
        #expect(try ServerPrograms.find().directory.hasSuffix("/bin"))
    }

    @Test("clusters whose makers are gone are swept away, those of the living and those that are kept are not")
    func sweep() async throws {
        let folder = try clusterFolder()
        var options = PrivateCluster.Options()
        options.parent = folder.path
        let orphan = try await PrivateCluster.start(options)
        let kept = try await PrivateCluster.create(options)
        let living = try await PrivateCluster.create(options)
        kept.keep()
        #expect(PrivateCluster.sweepOrphans(in: folder.path).isEmpty)
        // The same number, started at another time: somebody else's process by now.
        try "\(ProcessInfo.processInfo.processIdentifier) 1\n".write(
            toFile: "\(orphan.directory)/owner", atomically: false, encoding: .utf8)
        #expect(orphan.isRunning)
        #expect(PrivateCluster.sweepOrphans(in: folder.path) == [orphan.directory])
        #expect(!orphan.isRunning)
        #expect(FileManager.default.fileExists(atPath: kept.directory))
        #expect(FileManager.default.fileExists(atPath: living.directory))
        await kept.remove()
        await living.remove()
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    @Test("nothing is harmed when the number in a stale server file belongs to somebody else")
    func staleServerFile() async throws {
        let folder = try clusterFolder()
        var options = PrivateCluster.Options()
        options.parent = folder.path
        let cluster = try await PrivateCluster.create(options)
        // Our own number: were it taken for the server's, this test would end here.
        try "\(ProcessInfo.processInfo.processIdentifier)\n".write(
            toFile: "\(cluster.dataDirectory)/postmaster.pid", atomically: false, encoding: .utf8)
        #expect(!cluster.isRunning)
        await cluster.remove()
        #expect(!FileManager.default.fileExists(atPath: cluster.directory))
    }

    @Test("the sample tables are as described")
    func sampleTables() async throws {
        try await TestCluster.withDatabase { target in
            try await PostgresConnection.with(target) { connection in
                try await SchoolERP.create(in: connection)
                try await SchoolERP.fill(connection, activities: 1800, users: 500)
                let row = try #require(
                    try await connection.query(
                        """
                        SELECT (SELECT count(*) FROM activities) AS activities,
                            (SELECT count(*) FROM activities WHERE "createdAt" < (now() AT TIME ZONE 'UTC') - interval '90 days')
                                AS old,
                            (SELECT count(*) FROM users WHERE "passwordResetToken" IS NOT NULL) AS tokens,
                            (SELECT count(*) FROM users WHERE "passwordResetExpires" < (now() AT TIME ZONE 'UTC')) AS expired,
                            (SELECT count(*) FROM pg_indexes WHERE tablename = 'activities') AS indexes,
                            (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
                                WHERE attrelid = 'activities'::regclass AND attname = 'createdAt') AS type
                        """
                    ).first)
                #expect(row.int("activities") == 1800)
                #expect(row.int("old") == 900)
                #expect(row.int("tokens") == 100)
                #expect(row.int("expired") == 80)
                #expect(row.int("indexes") == 5)
                #expect(row["type"] == "timestamp(3) without time zone")
            }
        }
    }

    /// A folder that the server's user may enter and write to.
    private func clusterFolder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder("c")
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: folder.path)
        return folder
    }
}
