import Command
import Foundation
import Glibc
import Postgres
import Synchronization
import TestSupport
import Testing

@Suite("pgcaretaker try", .serialized)
struct TryCommandTests {
    /// Clusters' folders that belong to nobody's run of this suite yet.
    func folders() throws -> Set<String> {
        Set(try FileManager.default.contentsOfDirectory(atPath: "/tmp").filter { $0.hasPrefix("pgcaretaker-") })
    }

    func program(_ arguments: String...) throws -> Program {
        Program(
            executable: try Installation.path(), arguments: ["try"] + arguments, environment: ["PATH": "/usr/bin:/bin"],
            workingDirectory: "/")
    }

    /// The folder of the cluster that a run named.
    func clusterFolder(in output: String) -> String? {
        output.firstMatch(of: /\/tmp\/pgcaretaker-[A-Za-z0-9]+/).map { String($0.0) }
    }

    @Test("runs all jobs once, shows what they did, and leaves nothing behind")
    func all() async throws {
        let answer = try await Installation.run(try program(), deadline: .seconds(60))
        #expect(answer.status == 0, "\(answer)")
        for words in [
            "activity-cleanup: deleted 100,000 rows", "reset-token-purge: cleared 3,800 expired tokens", "nightly-backup: ",
            "table-sizes: measured 2 tables", "The backup: ", "The tables: ", "The next fires", "Everything has been removed",
        ] { #expect(answer.output.contains(words), "\(answer)") }
        let folder = try #require(clusterFolder(in: answer.output))
        #expect(!FileManager.default.fileExists(atPath: folder))
    }

    @Test("--keep keeps all of it, and the commands that it prints work")
    func keep() async throws {
        let answer = try await Installation.run(try program("--keep"), deadline: .seconds(60))
        #expect(answer.status == 0, "\(answer)")
        func command(_ title: String) throws -> String {
            let line = try #require(answer.output.split(separator: "\n").first { $0.contains("\(title):") }, "\(answer)")
            return line.split(separator: ":", maxSplits: 1)[1].trimmingCharacters(in: .whitespaces)
        }
        func shell(_ script: String) async throws -> Answer {
            try await Installation.run(
                Program(
                    executable: "/bin/sh", arguments: ["-c", script],
                    environment: [
                        "PATH": "\((try Installation.path() as NSString).deletingLastPathComponent):/usr/sbin:/usr/bin:/sbin:/bin"
                    ],
                    workingDirectory: "/"))
        }
        let connected = try await shell("\(try command("connect")) -Atc 'SELECT count(*) FROM activities'")
        #expect(connected.output == "100000\n", "\(connected)")
        let looked = try await shell(try command("look"))
        #expect(looked.status == 0 && looked.output.contains("nightly-backup"), "\(looked)")
        let ended = try await shell(try command("end"))
        #expect(ended.status == 0, "\(ended)")
        let folder = try #require(clusterFolder(in: answer.output))
        #expect(!FileManager.default.fileExists(atPath: folder))
    }

    @Test("an interruption removes everything, too", arguments: [SIGINT, SIGTERM])
    func interrupted(signal: Int32) async throws {
        let place = Mutex<String?>(nil)
        let before = try folders()
        let output = Mutex("")
        // The shell tells its own process id before it becomes the program, so that the signal goes to that and nobody else.
        let shell = Program(
            executable: "/bin/sh", arguments: ["-c", "echo \"$$\"; exec \"$0\" try", try Installation.path()],
            environment: ["PATH": "/usr/bin:/bin"], workingDirectory: "/")
        let result = try await Pipeline([shell], deadline: .seconds(60)).run(
            output: .stream { bytes in
                let text = output.withLock { text in
                    text += String(decoding: bytes, as: UTF8.self)
                    return text
                }
                let isFirst = place.withLock { $0 == nil }
                if isFirst, text.contains("Filling it"), let process = text.split(separator: "\n").first.flatMap({ pid_t($0) }) {
                    place.withLock { $0 = text }
                    kill(process, signal)
                }
            })
        #expect(result.stages[0].termination == .exited(1), "\(result.stages)")
        #expect(result.stages[0].standardErrorTail.contains("interrupted; everything has been removed"))
        #expect(!output.withLock { $0 }.contains("Running every job"))
        let left = try folders().subtracting(before).filter { name in
            FileManager.default.fileExists(atPath: "/tmp/\(name)/data/PG_VERSION")
        }
        #expect(left.isEmpty, "\(left)")
    }
}
