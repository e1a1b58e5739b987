import Command
import Foundation
import Testing

/// Programs of Debian's that say when something is due, for holding our answers against.
enum OtherPrograms {
    /// Runs a Python script with Debian's own interpreter, whose packages the script may use, and gives its lines.
    static func python(_ script: String, input: [String]) async throws -> [String] {
        try await lines(
            Program(
                executable: "/usr/bin/python3", arguments: ["-I", "-c", script],
                environment: ["LC_ALL": "C.UTF-8", "PYTHONTZPATH": "/usr/share/zoneinfo", "TZ": "UTC"]),
            input: input)
    }

    /// Lets systemd iterate calendar expressions from an instant in a zone; its answer as lines, instants in UTC.
    static func systemdCalendar(
        _ expressions: [String], zone: String, base: String, iterations: Int
    ) async throws -> [String] {
        try await lines(
            Program(
                executable: "/usr/bin/systemd-analyze",
                arguments: ["calendar", "--base-time=\(base)", "--iterations=\(iterations)", "--"] + expressions,
                environment: ["LC_ALL": "C.UTF-8", "TZ": zone]),
            input: [], excused: ["Infinite loop in calendar calculation", "Resource deadlock avoided"])
    }

    /// - Parameter excuses: what each line on standard error of a program that fails must have one of.
    private static func lines(_ program: Program, input: [String], excused excuses: [String] = []) async throws -> [String] {
        let text = input.map { $0 + "\n" }.joined()
        let result = try await Pipeline([program], deadline: .seconds(120)).run(
            input: .bytes(Array(text.utf8)), output: .collect(limit: 100_000_000))
        if let failure = result.firstFailure {
            let complaints = failure.standardErrorTail.split(separator: "\n")
            let isExcused =
                !complaints.isEmpty && complaints.allSatisfy { line in excuses.contains { line.contains($0) } }
            try #require(isExcused, "\(failure)")
        }
        return String(decoding: result.output, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}

/// The zones of the host.
enum HostZones {
    private static let folder = "/usr/share/zoneinfo"

    /// All names of tzdata, links included.
    static let names: [String] = {
        let table = (try? String(contentsOfFile: "\(folder)/tzdata.zi", encoding: .utf8)) ?? ""
        return table.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ", maxSplits: 3)
            if words.first == "Z", words.count > 1 { return String(words[1]) }
            return words.first == "L" && words.count > 2 ? String(words[2]) : nil
        }.filter { FileManager.default.fileExists(atPath: "\(folder)/\($0)") }.sorted()
    }()

    /// One name for each set of rules that is different from the others.
    static let distinct: [String] = {
        var seen: Set<Data> = []
        return names.filter { name in
            guard let data = FileManager.default.contents(atPath: "\(folder)/\(name)") else { return false }
            return seen.insert(data).inserted
        }
    }()
}
