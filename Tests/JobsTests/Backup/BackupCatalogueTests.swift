import Foundation
import Glibc
import Schedule
import TestSupport
import Testing

@testable import Jobs

@Suite("BackupCatalogue")
struct BackupCatalogueTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("catalogue") }

    @Test("complete backups are listed, the newest first, and other people's files are not looked at")
    func complete() throws {
        let old = try plant("2026-11-22T02:00:00Z", in: folder.path)
        let new = try plant("2026-11-24T02:00:00Z", in: folder.path)
        let other = try plant("2026-11-23T02:00:00Z", in: folder.path, database: "other", job: "weekly")
        try folder.write("mine", to: "README.md")
        try folder.write("{}", to: "package.json")
        try folder.write("x", to: "school.dump.zst")
        let catalogue = try BackupCatalogue.read(folder.path)
        #expect(catalogue.backups == [new, other, old])
        #expect(catalogue.damaged.isEmpty)
        #expect(catalogue.backups(job: "nightly", database: "school") == [new, old])
        #expect(catalogue.backups(job: "weekly", database: "school").isEmpty)
    }

    @Test(
        "what does not fit together is damaged, with its reason",
        arguments: [
            "truncated", "dump missing", "manifest missing", "manifest cut", "manifest empty", "dump is a link",
            "dump is a folder", "manifest is a pipe", "copied", "later format",
        ])
    func damaged(how: String) throws {
        let good = try plant("2026-11-22T02:00:00Z", in: folder.path)
        let bad = try plant("2026-11-24T02:00:00Z", in: folder.path)
        var reason: String
        switch how {
        case "truncated":
            #expect(truncate(bad.dumpPath, 3) == 0)
            reason = "its dump is 3 bytes long instead of 4"
        case "dump missing":
            unlink(bad.dumpPath)
            reason = "its dump \(bad.name.dump) is missing"
        case "manifest missing":
            unlink(bad.manifestPath)
            reason = "its manifest \(bad.name.manifest) is missing"
        case "manifest cut":
            #expect(truncate(bad.manifestPath, 40) == 0)
            reason = "it is no JSON"
        case "manifest empty":
            #expect(truncate(bad.manifestPath, 0) == 0)
            reason = "it is no JSON"
        case "dump is a link":
            unlink(bad.dumpPath)
            symlink(good.dumpPath, bad.dumpPath)
            reason = "its dump is not a regular file"
        case "dump is a folder":
            unlink(bad.dumpPath)
            mkdir(bad.dumpPath, 0o700)
            reason = "its dump is not a regular file"
        case "manifest is a pipe":
            unlink(bad.manifestPath)
            mkfifo(bad.manifestPath, 0o600)
            reason = "its manifest cannot be read"
        case "copied":
            for (from, to) in [(bad.dumpPath, "a_20200101T000000Z_x.dump.zst"), (bad.manifestPath, "a_20200101T000000Z_x.json")] {
                try FileManager.default.moveItem(atPath: from, toPath: folder.path(to))
            }
            try FileManager.default.copyItem(
                atPath: folder.path("a_20200101T000000Z_x.dump.zst"), toPath: folder.path("b_20200101T000000Z_x.dump.zst"))
            try FileManager.default.copyItem(
                atPath: folder.path("a_20200101T000000Z_x.json"), toPath: folder.path("b_20200101T000000Z_x.json"))
            let catalogue = try BackupCatalogue.read(folder.path)
            #expect(catalogue.backups.map(\.name.stem) == ["a_20200101T000000Z_x", good.name.stem])
            #expect(catalogue.damaged.map(\.reason) == ["another backup in the folder has the identifier \(bad.id) too"])
            return
        default:
            let json = try String(contentsOfFile: bad.manifestPath, encoding: .utf8)
            try json.replacing("\"format_version\" : 1", with: "\"format_version\" : 7")
                .write(toFile: bad.manifestPath, atomically: false, encoding: .utf8)
            reason = "its manifest is of format 7, and this version of the caretaker knows 1"
        }
        let catalogue = try BackupCatalogue.read(folder.path)
        #expect(catalogue.backups == [good])
        #expect(catalogue.damaged.map(\.name) == [bad.name])
        #expect(catalogue.damaged.first?.reason.contains(reason) == true, "\(catalogue.damaged)")
    }

    @Test("a backup is found by latest, by its identifier, and by a beginning that is its own")
    func choosing() throws {
        let old = try plant("2026-11-22T02:00:00Z", in: folder.path)
        let new = try plant("2026-11-24T02:00:00Z", in: folder.path)
        let broken = try plant("2026-11-25T02:00:00Z", in: folder.path)
        #expect(truncate(broken.dumpPath, 1) == 0)
        let catalogue = try BackupCatalogue.read(folder.path)
        #expect(try catalogue.backup("latest") == new)
        #expect(try catalogue.backup("20261122T020000Z-school") == old)
        #expect(try catalogue.backup("20261122") == old)
        for (wanted, code, text) in [
            ("202611", JobError.Code.backupUnknown, "2 backups"), ("2027", .backupUnknown, "there is no backup 2027"),
            ("", .backupUnknown, "there is no backup"), (broken.id, .backupDamaged, "1 bytes long instead of 4"),
        ] {
            do {
                _ = try catalogue.backup(wanted)
                Issue.record("found \(wanted)")
            } catch {
                #expect(error.code == code)
                #expect(error.message.contains(text), "\(error.message)")
            }
        }
    }

    @Test("a folder that cannot be read is an error, not an empty catalogue")
    func missingFolder() {
        do {
            _ = try BackupCatalogue.read("/nonexistent/backups")
            Issue.record("read")
        } catch {
            #expect(error.code == .fileSystem)
            #expect(error.message.contains("/nonexistent/backups"))
        }
    }
}
