import Configuration
import Foundation
import Glibc
import Schedule
import TestSupport
import Testing

@Suite("Zone files of the host")
struct ZoneFilesTests {
    private let folder: TemporaryFolder
    private let zones: ZoneFiles

    /// A zoneinfo folder with two zones, links between and out of it, and what else lies in such folders.
    init() throws {
        folder = try TemporaryFolder("zones")
        try folder.write("# zones\n", to: "zoneinfo/zone.tab")
        try folder.write("secret", to: "outside")
        try FileManager.default.createDirectory(atPath: folder.path("zoneinfo/Asia"), withIntermediateDirectories: true)
        for name in ["Asia/Kolkata", "UTC"] {
            try FileManager.default.copyItem(
                atPath: URL(fileURLWithPath: "/usr/share/zoneinfo/\(name)").resolvingSymlinksInPath().path,
                toPath: folder.path("zoneinfo/\(name)"))
        }
        for (name, target) in [
            ("zoneinfo/Asia/Calcutta", "Kolkata"), ("zoneinfo/Outside", "../outside"), ("zoneinfo/Absolute", "/etc/passwd"),
            ("zoneinfo/Europe", "/usr/share/zoneinfo/Europe"), ("zoneinfo/Loop", "Loop"), ("zoneinfo/localtime", "/etc/localtime"),
            ("localtime", folder.path("zoneinfo/Asia/Kolkata")),
        ] {
            try FileManager.default.createSymbolicLink(atPath: folder.path(name), withDestinationPath: target)
        }
        zones = ZoneFiles(
            directory: folder.path("zoneinfo"), localtime: folder.path("localtime"), timezone: folder.path("timezone"))
    }

    private func reason(_ name: String) -> String? {
        do {
            _ = try zones.rules(named: name)
            return nil
        } catch {
            return "\(error.reason), \(error.hint)"
        }
    }

    private func offset(_ rules: ZoneRules) -> Int { rules.offset(at: Instant(secondsSinceEpoch: 1_700_000_000)).seconds }

    @Test("a link within the folder is a zone by that name")
    func links() throws {
        let rules = try zones.rules(named: "Asia/Calcutta")
        #expect(rules.identifier == "Asia/Calcutta")
        #expect(offset(rules) == 19800)
    }

    @Test(
        "what leads out of the folder, or is no zone, is not read",
        arguments: [
            ("Outside", "there is no time zone \"Outside\""), ("Absolute", "there is no time zone"),
            ("Europe/London", "there is no time zone"),
            ("Loop", "there is no time zone"), ("Asia", "there is no time zone"), ("zone.tab", "there is no time zone"),
            ("Mars/Phobos", "there is no time zone \"Mars/Phobos\""), ("../outside", "is not the name"),
            ("Asia/../../outside", "is not the name"),
            ("/etc/passwd", "is not the name"), ("Asia/Kolkata\u{0}", "is not the name"), ("asia/kolkata", "there is no time zone"),
            ("posix/Asia/Kolkata", "leave out \"posix/\""), ("right/Asia/Kolkata", "leap seconds; leave out \"right/\""),
            ("localtime", "leave timezone out for the host's own zone, or write \"Asia/Kolkata\""),
        ])
    func refused(name: String, expected: String) {
        #expect(reason(name)?.contains(expected) == true, "\(reason(name) ?? "accepted")")
    }

    @Test("a pipe in the folder is not waited for")
    func pipe() {
        #expect(mkfifo(folder.path("zoneinfo/Pipe"), 0o644) == 0)
        #expect(reason("Pipe")?.contains("there is no time zone") == true)
    }

    @Test("a damaged file is refused with what to do")
    func damaged() throws {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: folder.path("zoneinfo/Asia/Kolkata")))
        try bytes.prefix(100).write(to: URL(fileURLWithPath: folder.path("zoneinfo/Asia/Kolkata")))
        #expect(reason("Asia/Kolkata") == "the time zone file of \"Asia/Kolkata\" is damaged: it is cut off, reinstall tzdata")
    }

    @Test("a file that changes is read anew")
    func changed() throws {
        #expect(offset(try zones.rules(named: "UTC")) == 0)
        try FileManager.default.removeItem(atPath: folder.path("zoneinfo/UTC"))
        try FileManager.default.copyItem(atPath: folder.path("zoneinfo/Asia/Kolkata"), toPath: folder.path("zoneinfo/UTC"))
        #expect(offset(try zones.rules(named: "UTC")) == 19800)
    }

    @Test("UTC needs no file")
    func utc() throws {
        try FileManager.default.removeItem(atPath: folder.path("zoneinfo/UTC"))
        #expect(offset(try zones.rules(named: "UTC")) == 0)
    }

    @Test("the host's zone is what localtime links to, also by the second name")
    func hostLink() throws {
        #expect(zones.hostZoneName == "Asia/Kolkata")
        #expect(try zones.hostRules().identifier == "Asia/Kolkata")
        try relink(to: "/usr/share/zoneinfo/posix/Asia/Kolkata")
        #expect(try zones.hostRules().identifier == "Asia/Kolkata")
        try relink(to: "/usr/share/zoneinfo/Mars/Phobos")
        #expect(throws: ZoneFiles.Failure.self) { try zones.hostRules() }
    }

    @Test("without localtime the host's zone is UTC")
    func noLocaltime() throws {
        try FileManager.default.removeItem(atPath: folder.path("localtime"))
        #expect(try zones.hostRules().identifier == "UTC")
    }

    @Test("a localtime that is a copy has the name that Debian notes beside it, and is not taken for UTC without one")
    func copy() throws {
        try FileManager.default.removeItem(atPath: folder.path("localtime"))
        try FileManager.default.copyItem(atPath: folder.path("zoneinfo/Asia/Kolkata"), toPath: folder.path("localtime"))
        #expect(throws: ZoneFiles.Failure.self) { try zones.hostRules() }
        try folder.write("UTC\n", to: "timezone")
        #expect(throws: ZoneFiles.Failure.self) { try zones.hostRules() }
        try folder.write("Asia/Kolkata\n", to: "timezone")
        #expect(try zones.hostRules().identifier == "Asia/Kolkata")
    }

    private func relink(to target: String) throws {
        try FileManager.default.removeItem(atPath: folder.path("localtime"))
        try FileManager.default.createSymbolicLink(atPath: folder.path("localtime"), withDestinationPath: target)
    }
}

@Suite("Warnings of a configuration's schedules")
struct ScheduleWarningLineTests {
    private func warnings(_ lines: String) throws -> [String] {
        let folder = try TemporaryFolder("warnings")
        let file = try folder.write(
            """
            [database]
            url = "postgresql:///x"
            [jobs.a]
            kind = "table-sizes"
            \(lines)
            """, to: "pgcaretaker.toml")
        return try ConfigurationLoader(path: file, environment: [:]).load().warnings
            .map { "\($0)".replacingOccurrences(of: folder.path, with: "") }
    }

    @Test("stand where the schedule stands")
    func lines() throws {
        let found = try warnings("enabled = true\nschedule = \"0 0 1-7 * 1\"")
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("/pgcaretaker.toml:6: jobs.a.schedule: warning: fires on days 1-7") == true, "\(found)")
        #expect(
            try warnings("schedule = \"*/35 * * * *\"").first?.contains("/pgcaretaker.toml:5: jobs.a.schedule: warning: ") == true)
    }

    @Test("are gone once it is said how the day fields go together", arguments: ["and", "or"])
    func silenced(days: String) throws {
        #expect(try warnings("schedule = \"0 0 1-7 * 1\"\ndays = \"\(days)\"") == [])
    }
}
