import Schedule
import Testing

@testable import Jobs

@Suite("BackupName")
struct BackupNameTests {
    private static let instant = Instant(secondsSinceEpoch: 1_795_485_600)  // 2026-11-24T02:00:00Z

    @Test(
        "names are safe for a shell whatever the database is called",
        arguments: [
            ("school_erp", "school_erp_20261124T020000Z_nightly.dump.zst", "20261124T020000Z-school_erp"),
            ("My School", "My%20School_20261124T020000Z_nightly.dump.zst", "20261124T020000Z-My%20School"),
            ("o'neil \"x\"", "o%27neil%20%22x%22_20261124T020000Z_nightly.dump.zst", "20261124T020000Z-o%27neil%20%22x%22"),
            ("../../etc", "%2E.%2F..%2Fetc_20261124T020000Z_nightly.dump.zst", "20261124T020000Z-%2E.%2F..%2Fetc"),
            ("école", "%C3%A9cole_20261124T020000Z_nightly.dump.zst", "20261124T020000Z-%C3%A9cole"),
            ("100%", "100%25_20261124T020000Z_nightly.dump.zst", "20261124T020000Z-100%25"),
        ])
    func encodes(database: String, file: String, id: String) {
        let name = BackupName(database: database, startedAt: Self.instant, job: "nightly")
        #expect(name.dump == file)
        #expect(BackupName.identifier(database: database, startedAt: Self.instant) == id)
        #expect(BackupName.role(of: name.dump) == .dump(name))
        #expect(BackupName.role(of: name.manifest) == .manifest(name))
    }

    @Test("the longest names of database, job and run fit into a file's name, and stay apart")
    func longNames() {
        let job = String(repeating: "j", count: 200)
        let first = BackupName(database: String(repeating: "ß", count: 31) + "1", startedAt: Self.instant, job: job)
        let second = BackupName(database: String(repeating: "ß", count: 31) + "2", startedAt: Self.instant, job: job)
        #expect(first != second)
        let run = "0198c0de-0000-7000-8000-000000000000"
        #expect(first.partialDump(run: run).utf8.count <= 255)
        #expect(BackupName.role(of: first.partialDump(run: run)) == .partialDump(first))
        #expect(BackupName.role(of: first.partialManifest(run: run)) == .partialManifest(first))
    }

    @Test("the second backup of a second has a name of its own")
    func ordinals() {
        let second = BackupName(database: "a", startedAt: Self.instant, ordinal: 2, job: "j")
        #expect(second.dump == "a_20261124T020000Z-2_j.dump.zst")
        #expect(BackupName.role(of: second.dump) == .dump(second))
        #expect(BackupName.identifier(database: "a", startedAt: Self.instant, ordinal: 2) == "20261124T020000Z-2-a")
    }

    @Test(
        "files of others are not taken for ours",
        arguments: [
            "README.md", "school.dump.zst", "school_20261124.dump.zst", "school_20261124T020000Z_nightly.dump",
            "school_20261124T020000Z_nightly.dump.zst.partial", ".school_20261124T020000Z_nightly.dump.zst.partial",
            ".school_20261124T020000Z_nightly.dump.zst..partial", "notes.json", "20261124T020000Z_nightly.dump.zst",
            "school_2026112xT020000Z_nightly.json", "school_20261124T020000Z-1_nightly.json",
            "sch ool_20261124T020000Z_nightly.json", ".school_20261124T020000Z_nightly.json", "",
        ])
    func foreign(file: String) {
        #expect(BackupName.role(of: file) == nil)
    }
}
