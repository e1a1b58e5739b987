import Foundation
import Testing

/// The commands of README.md, typed on a fresh machine in their order, as its reader would.
@Suite("the commands of the README", .serialized, .whereMachinesBoot, .machine(), .timeLimit(.minutes(3)))
struct ReadmeTests {
    /// The lines of the indented blocks below a heading.
    static func commands(below heading: String) throws -> [String] {
        let text = try String(contentsOfFile: "\(MachineEnvironment.repository)/README.md", encoding: .utf8)
        let section = try #require(text.components(separatedBy: "\n## ").first { $0.hasPrefix("\(heading)\n") }, "\(heading)")
        return section.split(separator: "\n").filter { $0.hasPrefix("    ") }.map { $0.trimmingCharacters(in: .whitespaces) }
    }

    /// A command as root types it on a machine without sudo.
    static func asRoot(_ command: String) -> String {
        command.replacing(#/sudo -u (\w+) /#) { "runuser -u \($0.1) -- " }.replacing(#/^sudo /#, with: "")
    }

    @Test("install, look, run, read the journal, restore")
    func all() async throws {
        let machine = try BootedMachine.current
        func type(_ command: String) async throws -> String {
            let result = try await machine.run(["bash", "-c", Self.asRoot(command)])
            #expect(result.status == 0, "\(command): \(result.standardError)")
            return result.standardOutput
        }
        try await machine.sql("CREATE DATABASE school_erp")
        try await machine.sql(SchoolDatabase.create, in: SchoolDatabase.name)
        // What builds needs a toolchain, which this machine has not; the rest of "make install" is done by the harness.
        try await machine.install()
        for command in try Self.commands(below: "Install") where !command.contains("make ") && !command.contains("sudoedit") {
            _ = try await type(command)
        }
        #expect(try await machine.property("ActiveState", of: "pgcaretaker.service") == "active")

        // Every command of the table, with the shipped configuration; the first word in capitals stands for something.
        let readme = try String(contentsOfFile: "\(MachineEnvironment.repository)/README.md", encoding: .utf8)
        var typed = 0
        for row in readme.split(separator: "\n") where row.hasPrefix("| `pgcaretaker ") {
            let words = row.split(separator: "`")[1].replacing(#/ ?\[[^\]]*\]/#, with: "")
            let command = words.replacing("JOB INSTANT", with: "table-sizes 2026-01-01T00:00:00Z")
                .replacing("JOB", with: "nightly-backup")
            _ = try await type(String(command))
            typed += 1
        }
        #expect(typed >= 10)
        _ = try await type("pgcaretaker resume nightly-backup; pgcaretaker run activity-cleanup")
        for command in try Self.commands(below: "Reading its journal") { _ = try await type(command) }
        try await machine.sql("ALTER ROLE pgcaretaker CREATEDB")
        let restoring = try Self.commands(below: "Restoring")
        for command in restoring where command.contains("pgcaretaker ") { _ = try await type(command) }
        let count = try await machine.sql("SELECT count(*) FROM users", in: "school_erp_restored")
        #expect(count == "50")
        let file = try await type("ls /var/backups/pgcaretaker/*.dump.zst | head -n 1")
        try await machine.sql("DROP DATABASE school_erp_restored")
        for command in restoring where !command.contains("pgcaretaker ") {
            // The dump is readable for nobody but its owner and root; the database is made by its superuser.
            let parts = command.replacing("FILE.dump.zst", with: file.trimmingCharacters(in: .whitespacesAndNewlines))
                .split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            let last = "runuser -u postgres -- \(parts[parts.count - 1])"
            _ = try await type((parts.dropLast() + [last]).joined(separator: " | "))
        }
        #expect(try await machine.sql("SELECT count(*) FROM users", in: "school_erp_restored") == "50")
    }
}
