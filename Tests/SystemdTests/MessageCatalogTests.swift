import Foundation
import Systemd
import Testing

@Suite("Message catalogue")
struct MessageCatalogTests {
    struct Entry {
        var id: String
        var headers: [String: String]
        var text: String
    }

    static let file = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("systemd/pgcaretaker.catalog")

    private func entries() throws -> [Entry] {
        let lines = try String(contentsOf: Self.file, encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: false
        )
        .filter { !$0.hasPrefix("#") }
        return lines.split { $0.hasPrefix("-- ") }.dropFirst(lines.first?.hasPrefix("-- ") == true ? 0 : 1)
            .enumerated().map { index, body in
                let id = lines.filter { $0.hasPrefix("-- ") }[index].dropFirst(3)
                let header = body.prefix { !$0.isEmpty }
                let headers = header.map { $0.split(separator: ":", maxSplits: 1).map(String.init) }
                return Entry(
                    id: String(id),
                    headers: Dictionary(
                        headers.map { ($0[0], $0[1].trimmingCharacters(in: .whitespaces)) },
                        uniquingKeysWith: { a, b in a + b }),
                    text: body.dropFirst(header.count).joined(separator: "\n").trimmingCharacters(
                        in: .whitespacesAndNewlines))
            }
    }

    @Test("identifiers are 32 hexadecimal digits and differ")
    func identifiers() {
        let ids = JournalEvent.allCases.map(\.messageID)
        #expect(Set(ids).count == ids.count)
        for id in ids {
            #expect(id.utf8.count == 32 && id.allSatisfy { $0.isHexDigit && !$0.isUppercase }, "\(id)")
        }
    }

    @Test("identifiers are frozen: those that people filter by stay as they are")
    func frozen() {
        #expect(JournalEvent(rawValue: "daemon-started")?.messageID == "6230fab2201a4ce6aad17998f3e05eae")
        #expect(JournalEvent(rawValue: "run-failed")?.messageID == "22549bd11a064b22a916bde488e1a0d2")
        #expect(JournalEvent(rawValue: "configuration-warning")?.messageID == "0a3a86411433415597eb162f5763a734")
    }

    @Test("each event has exactly one entry, and there are no others")
    func complete() throws {
        #expect(try entries().map(\.id).sorted() == JournalEvent.allCases.map(\.messageID).sorted())
    }

    @Test("each entry has a subject, says whose it is, and explains at some length in lines that fit a terminal")
    func contents() throws {
        for entry in try entries() {
            #expect(entry.headers["Subject"]?.isEmpty == false, "\(entry.id)")
            #expect(entry.headers["Defined-By"] == "pgcaretaker", "\(entry.id)")
            #expect(entry.headers["Documentation"] == "file:/usr/share/doc/pgcaretaker/README.md", "\(entry.id)")
            #expect(entry.headers.count == 3, "\(entry.id)")
            #expect(entry.text.count > 80, "\(entry.id)")
            #expect(entry.text.split(separator: "\n").allSatisfy { $0.count <= 90 }, "\(entry.id)")
        }
    }

    @Test("only fields that entries of ours have are filled in")
    func substitutions() throws {
        let known = ["PGCARETAKER_JOB", "PGCARETAKER_RUN_ID"]
        for entry in try entries() {
            let parts = ((entry.headers["Subject"] ?? "") + "\n" + entry.text).split(
                separator: "@", omittingEmptySubsequences: false)
            #expect(parts.count % 2 == 1, "\(entry.id)")
            for index in stride(from: 1, to: parts.count, by: 2) {
                #expect(known.contains(String(parts[index])), "\(entry.id): \(parts[index])")
            }
        }
    }

    @Test(
        "systemd compiles it and finds every entry",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/journalctl")))
    func compiles() throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("catalog-" + UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: root) }
        for folder in ["usr/lib/systemd/catalog", "var/lib/systemd/catalog"] {
            try FileManager.default.createDirectory(
                at: root.appendingPathComponent(folder), withIntermediateDirectories: true)
        }
        try FileManager.default.copyItem(
            at: Self.file, to: root.appendingPathComponent("usr/lib/systemd/catalog/pgcaretaker.catalog"))

        func journalctl(_ argument: String) throws -> (status: Int32, output: String) {
            let process = Process()
            let pipe = Pipe()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/journalctl")
            process.arguments = ["--root=\(root.path)", argument]
            process.standardOutput = pipe
            process.standardError = pipe
            try process.run()
            let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            return (process.terminationStatus, output)
        }
        let update = try journalctl("--update-catalog")
        #expect(update.status == 0 && update.output.isEmpty, "\(update.output)")
        let list = try journalctl("--list-catalog")
        #expect(list.status == 0)
        let found = list.output.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) }
        #expect(found.sorted() == JournalEvent.allCases.map(\.messageID).sorted())
    }
}
