import Foundation
import Schedule
import Testing

@testable import Jobs

@Suite("BackupManifest")
struct BackupManifestTests {
    @Test("the JSON has these keys and forms, which others rely on")
    func form() throws {
        var manifest = try manifest("2026-11-24T02:00:00Z", database: "My \"School\"/ä")
        manifest.programs.zstd = nil
        let json = String(decoding: try manifest.json(), as: UTF8.self)
        #expect(
            json == """
                {
                  "compression" : "zstd:3",
                  "database" : "My \\"School\\"/ä",
                  "database_size" : 100,
                  "duration" : 10,
                  "encoding" : "UTF8",
                  "ended_at" : "2026-11-24T02:00:10Z",
                  "file" : "My%20%22School%22%2F%C3%A4_20261124T020000Z_nightly.dump.zst",
                  "format" : "custom",
                  "format_version" : 1,
                  "host" : "host",
                  "id" : "20261124T020000Z-My%20%22School%22%2F%C3%A4",
                  "job" : "nightly",
                  "locale" : {
                    "collate" : "C",
                    "ctype" : "C",
                    "name" : null,
                    "provider" : "libc"
                  },
                  "programs" : {
                    "pg_dump" : "15.18",
                    "zstd" : null
                  },
                  "run" : "r1",
                  "server_version" : "15.18",
                  "sha256" : "0000000000000000000000000000000000000000000000000000000000000000",
                  "size" : 4,
                  "started_at" : "2026-11-24T02:00:00Z",
                  "uncompressed_size" : 40,
                  "warnings" : 0
                }

                """)
    }

    @Test("what is written is read back the same")
    func roundTrip() throws {
        let manifest = try manifest("2026-11-24T02:00:00.123456Z", database: "mixed \\ 'Case'")
        #expect(try BackupManifest(json: try manifest.json()) == manifest)
    }

    @Test("keys of later versions are passed over")
    func unknownKeys() throws {
        let manifest = try manifest("2026-11-24T02:00:00Z")
        let json = String(decoding: try manifest.json(), as: UTF8.self)
        let later = json.replacing("\"warnings\"", with: "\"row_counts\" : {\"public.users\" : 5},\n  \"warnings\"")
        #expect(later != json)
        #expect(try BackupManifest(json: Array(later.utf8)) == manifest)
    }

    @Test(
        "what cannot be relied on is refused with its reason",
        arguments: [
            ("\"format_version\" : 1", "\"format_version\" : 2", "format 2"),
            ("\"format_version\" : 1,", "", "format_version is missing"),
            ("\"size\" : 4", "\"size\" : \"4\"", "size is of the wrong type"),
            ("\"size\" : 4", "\"size\" : -4", "a size is negative"),
            ("\"size\" : 4,", "", "size is missing"),
            ("\"sha256\" : \"0", "\"sha256\" : \"x", "sha256 is not a checksum"),
            ("2026-11-24T02:00:00Z\"", "yesterday\"", "started_at"),
            ("\"collate\" : \"C\",", "", "locale.collate is missing"),
            ("\"id\" : \"20261124T020000Z-school\"", "\"id\" : \"\"", "a name is empty"),
            ("{\n", "", "it is no JSON"),
        ])
    func refusals(part: String, replacement: String, reason: String) throws {
        let json = String(decoding: try manifest("2026-11-24T02:00:00Z").json(), as: UTF8.self)
        #expect(json.contains(part))
        let changed = json.replacing(part, with: replacement, maxReplacements: 1)
        do {
            _ = try BackupManifest(json: Array(changed.utf8))
            Issue.record("accepted")
        } catch {
            #expect("\(error)".contains(reason))
        }
    }

    @Test("a manifest that was cut off anywhere is refused")
    func cutOff() throws {
        let json = try manifest("2026-11-24T02:00:00Z").json()
        for length in stride(from: 0, to: json.count - 2, by: 7) {
            #expect(throws: BackupManifest.Unreadable.self) { try BackupManifest(json: Array(json.prefix(length))) }
        }
    }
}
