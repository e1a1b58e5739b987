import Foundation
import Glibc
import Schedule
import TestSupport
import Testing

@testable import Jobs

@Suite("BackupPublication")
struct BackupPublicationTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("publication") }

    private var files: [String] { get throws { try Folder.names(in: folder.path).sorted() } }

    private func publication() throws -> BackupPublication {
        let content: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]
        let probe = try manifest("2026-11-24T02:00:00Z")
        let name = BackupName(database: "school", startedAt: probe.startedAt, job: "nightly")
        let dump = try DumpFile(path: folder.path(name.partialDump(run: "r1")))
        try content.withUnsafeBytes { try dump.write($0) }
        let measured = try dump.finish()
        let manifest = try manifest("2026-11-24T02:00:00Z", size: measured.size, sha256: measured.sha256)
        return BackupPublication(directory: folder.path, name: name, run: "r1", manifest: try manifest.json(), dump: dump)
    }

    @Test(
        "after a crash at any step a dump under its final name has its manifest, and the sweep leaves nothing half",
        arguments: 0...5)
    func crash(steps: Int) throws {
        let name: BackupName
        do {
            let publication = try publication()
            name = publication.name
            for step in BackupPublication.Step.allCases.prefix(steps) { try publication.perform(step) }
            // The process ends here: nothing is cleaned up, but the kernel lets go of the lock.
            publication.dump.letGo()
        }
        let isPublished = steps >= 4
        let catalogue = try BackupCatalogue.read(folder.path)
        #expect(catalogue.backups.map(\.name) == (isPublished ? [name] : []))
        #expect(Folder.exists(folder.path(name.dump)) == isPublished)
        if isPublished { #expect(catalogue.damaged.isEmpty) }

        _ = try LeftoverSweep.run(in: folder.path)
        #expect(try files == (isPublished ? [name.dump, name.manifest] : []))
        let after = try BackupCatalogue.read(folder.path)
        #expect(after.damaged.isEmpty)
        #expect(after.backups.count == (isPublished ? 1 : 0))
    }

    @Test("a sweep does not touch what a living run is writing", arguments: 0...4)
    func living(steps: Int) throws {
        let publication = try publication()
        for step in BackupPublication.Step.allCases.prefix(steps) { try publication.perform(step) }
        let before = try files
        #expect(try LeftoverSweep.run(in: folder.path).isEmpty)
        #expect(try files == before)
        for step in BackupPublication.Step.allCases.dropFirst(steps) { try publication.perform(step) }
        #expect(try BackupCatalogue.read(folder.path).backups.count == 1)
    }

    @Test("a publication that fails leaves nothing, and gives the reason")
    func failure() throws {
        let publication = try publication()
        // A folder stands where the dump is to be named, so the last but one step fails.
        mkdir(folder.path(publication.name.dump), 0o700)
        #expect(throws: FileFailure.self) { try publication.publish() }
        rmdir(folder.path(publication.name.dump))
        #expect(try files == [publication.name.partialDump(run: "r1")])
    }

    @Test("the files are for nobody else's eyes, and the dump's lock is held to its end")
    func modes() throws {
        let publication = try publication()
        try publication.publish()
        #expect(try mode(of: folder.path(publication.name.dump)) == 0o600)
        #expect(try mode(of: folder.path(publication.name.manifest)) == 0o600)
    }

    @Test("after a crash at any step of a removal there is no half backup, and the sweep ends the work", arguments: 0...4)
    func removalCrash(steps: Int) throws {
        let backup = try plant("2026-11-24T02:00:00Z", in: folder.path)
        let removal = BackupRemoval(backup: backup, run: "r2")
        for step in BackupRemoval.Step.allCases.prefix(steps) { try removal.perform(step) }
        let catalogue = try BackupCatalogue.read(folder.path)
        #expect(catalogue.backups.count == (steps == 0 ? 1 : 0))
        // Never a dump under its final name without a manifest.
        #expect(Folder.exists(backup.dumpPath) == (steps == 0))
        _ = try LeftoverSweep.run(in: folder.path)
        #expect(try files == (steps == 0 ? [backup.name.dump, backup.name.manifest].sorted() : []))
    }

    @Test("a dump that nobody else deleted but whose manifest stands alone is left to a person")
    func orphanManifest() throws {
        let backup = try plant("2026-11-24T02:00:00Z", in: folder.path)
        unlink(backup.dumpPath)
        #expect(try LeftoverSweep.run(in: folder.path).isEmpty)
        #expect(try files == [backup.name.manifest])
    }

    @Test("a sweep removes dead runs' files only, and never somebody else's")
    func sweep() throws {
        let backup = try plant("2026-11-24T02:00:00Z", in: folder.path)
        try folder.write("half", to: ".school_20261123T020000Z_nightly.dump.zst.r9.partial")
        try folder.write("half", to: ".school_20261123T020000Z_nightly.json.r9.partial")
        try folder.write("theirs", to: ".download.partial")
        try folder.write("theirs", to: "something.partial")
        #expect(
            try LeftoverSweep.run(in: folder.path).sorted() == [
                ".school_20261123T020000Z_nightly.dump.zst.r9.partial", ".school_20261123T020000Z_nightly.json.r9.partial",
            ])
        #expect(
            try files == [".download.partial", backup.name.dump, backup.name.manifest, "something.partial"].sorted())
    }

    @Test("a backup that cannot be deleted does not keep the others")
    func prunerFailure() async throws {
        let backups = try ["2026-11-21T02:00:00Z", "2026-11-22T02:00:00Z", "2026-11-23T02:00:00Z", "2026-11-24T02:00:00Z"].map {
            try plant($0, in: folder.path)
        }
        let plan = PruningPlan(
            backups: backups, policy: PruningPolicy(last: 1), zone: .utc,
            now: try #require(Instant(rfc3339: "2026-11-24T03:00:00Z")))
        // Somebody was quicker with one of them, and a folder stands in the way of another.
        mkdir(folder.path(backups[1].name.partialDump(run: "r2")), 0o700)
        let outcome = await BackupPruner(run: "r2").carryOut(plan)
        #expect(outcome.removed == [backups[0], backups[2]])
        #expect(outcome.failures.map(\.backup) == [backups[1]])
        #expect(try BackupCatalogue.read(folder.path).backups == [backups[3], backups[1]])
    }
}
