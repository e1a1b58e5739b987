import Command
import Foundation
import Testing

@Suite("Pipeline")
struct PipelineTests {
    @Test("an exit status is a result", arguments: [0, 1, 3, 127, 255] as [Int32])
    func exitStatus(status: Int32) async throws {
        let result = try await Pipeline([shell("exit \(status)")]).run()
        #expect(result.stages == [StageResult(program: "sh", termination: .exited(status))])
        #expect(result.firstFailure == (status == 0 ? nil : result.stages[0]))
    }

    @Test("an end by a signal is a result", arguments: [SIGKILL, SIGTERM, SIGSEGV])
    func signal(number: Int32) async throws {
        let result = try await Pipeline([shell("kill -\(number) $$; sleep 1000")]).run()
        #expect(result.stages[0].termination == .signalled(number))
    }

    @Test("stages are connected, the first reads the bytes given")
    func connected() async throws {
        let pipeline = Pipeline([tool("cat"), shell("tr a-z A-Z"), shell("sed s/^/=/")])
        let result = try await pipeline.run(input: .bytes(Array("one\ntwo\n".utf8)), output: .collect(limit: 100))
        #expect(String(decoding: result.output, as: UTF8.self) == "=ONE\n=TWO\n")
        #expect(result.stages.map(\.program) == ["cat", "sh", "sh"])
        #expect(result.bytesStreamed == 10)
        #expect(result.firstFailure == nil)
    }

    @Test("more bytes than a pipe holds reach a slow reader")
    func manyBytes() async throws {
        let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let result = try await Pipeline([tool("cat"), tool("cat")]).run(
            input: .bytes(bytes), output: .collect(limit: 3_000_000))
        #expect(result.output == bytes)
    }

    @Test("a first stage that does not read its input is no error")
    func unreadInput() async throws {
        let bytes = [UInt8](repeating: 7, count: 3_000_000)
        let result = try await Pipeline([shell("exec <&-; echo done")]).run(
            input: .bytes(bytes), output: .collect(limit: 100))
        #expect(result.firstFailure == nil)
        #expect(result.output == Array("done\n".utf8))
    }

    @Test("a file is the first stage's input")
    func fileInput() async throws {
        let folder = try TemporaryFolder()
        try "from a file".write(toFile: folder.file("input"), atomically: false, encoding: .utf8)
        let result = try await Pipeline([tool("cat")]).run(
            input: .file(folder.file("input")), output: .collect(limit: 100))
        #expect(String(decoding: result.output, as: UTF8.self) == "from a file")
    }

    @Test("a missing input file is the source's failure")
    func missingInput() async throws {
        let error = await failure { try await Pipeline([tool("cat")]).run(input: .file("/nonexistent/input")) }
        #expect("\(try #require(error?.sourceError))".contains("No such file"))
    }

    @Test("without input a stage sees the end at once, without output nothing is read")
    func noInputNoOutput() async throws {
        let result = try await Pipeline([shell("cat; echo lost")]).run()
        #expect(result.firstFailure == nil)
        #expect(result.output.isEmpty)
        #expect(result.bytesStreamed == 0)
    }

    @Test("an executable that is missing, a folder or not executable cannot be started, and nothing else is")
    func cannotStart() async throws {
        let folder = try TemporaryFolder()
        try "#!/bin/sh\n".write(toFile: folder.file("plain"), atomically: false, encoding: .utf8)
        try "#!/nonexistent/interpreter\n".write(toFile: folder.file("script"), atomically: false, encoding: .utf8)
        #expect(chmod(folder.file("script"), 0o755) == 0)
        for (path, reason) in [
            ("/nonexistent/program", "No such file"), ("/usr/bin", "not a regular file"),
            ("cat", "not an absolute path"),
            (folder.file("plain"), "Permission denied"), (folder.file("script"), "interpreter"),
        ] {
            let watch = try DeathWatch()
            let holder = shell("exec 3>\(watch.path); sleep 1000")
            let (error, duration) = await elapsed {
                await failure {
                    try await Pipeline([holder, Program(executable: path)]).run(output: .collect(limit: 10))
                }
            }
            #expect(error?.startFailure?.contains(reason) == true, "\(path): \(error?.description ?? "no error")")
            #expect(duration < .seconds(60))
            #expect(watch.everybodyIsGone())
        }
        #expect(await failure { try await Pipeline([]).run() }?.startFailure != nil)
    }

    @Test("a zero byte or an impossible variable name is refused instead of being cut")
    func refusesZeroBytes() async throws {
        let bad = [
            Program(executable: "/bin/echo", arguments: ["a\0b"]),
            Program(executable: "/bin/echo", environment: ["A": "b\0c"]),
            Program(executable: "/bin/echo", environment: ["A=B": "c"]),
        ]
        for program in bad {
            #expect(await failure { try await Pipeline([program]).run() }?.startFailure != nil)
        }
    }

    @Test("the working directory is the one asked for, and one that is missing is named")
    func workingDirectory() async throws {
        let there = Program(executable: "/bin/sh", arguments: ["-c", "pwd"], workingDirectory: "/usr/bin")
        let result = try await Pipeline([there]).run(output: .collect(limit: 100))
        #expect(String(decoding: result.output, as: UTF8.self) == "/usr/bin\n")
        let missing = Program(executable: "/bin/sh", arguments: ["-c", "pwd"], workingDirectory: "/nonexistent")
        #expect(await failure { try await Pipeline([missing]).run() }?.startFailure?.contains("/nonexistent") == true)
    }

    @Test("the first-hand failure is named: a middle stage that dies, not those around it")
    func middleStageDies() async throws {
        let result = try await Pipeline([
            tool("yes"), shell("head -c 100000 >/dev/null; echo broken >&2; exit 9"), tool("cat"),
        ])
        .run(output: .collect(limit: 1000))
        #expect(result.firstFailureIndex == 1)
        #expect(
            result.firstFailure == StageResult(program: "sh", termination: .exited(9), standardErrorTail: "broken\n"))
        #expect(result.stages[0].termination == .signalled(SIGPIPE))
    }

    @Test("a stage upstream of a failure that never writes is ended after the grace")
    func silentUpstream() async throws {
        var pipeline = Pipeline([shell("trap '' TERM; while :; do sleep 1000; done"), shell("exit 4")])
        pipeline.terminationGrace = .milliseconds(50)
        let (result, duration) = try await elapsed { try await pipeline.run() }
        #expect(result.firstFailure?.termination == .exited(4))
        #expect(result.stages[0].termination == .signalled(SIGKILL))
        #expect(duration < .seconds(60))
    }

    @Test("a reader that stops early by itself makes its writer's broken pipe the failure")
    func earlyReader() async throws {
        let result = try await Pipeline([tool("yes"), tool("head", "-n1")]).run(output: .collect(limit: 100))
        #expect(result.output == Array("y\n".utf8))
        #expect(result.firstFailure?.termination == .signalled(SIGPIPE))
    }

    @Test("no descriptor stays open, whatever the outcome")
    func noLeaks() async throws {
        func openDescriptors() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { name in
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)")).map {
                    "\(name) \($0)"
                }
            }
        }
        // Other suites run at the same time in this process and open descriptors too: what is looked for is growth with
        // the runs.
        func runs() async throws {
            _ = try await Pipeline([tool("echo", "a"), tool("cat")]).run(output: .collect(limit: 10))
            _ = await failure { try await Pipeline([tool("yes"), Program(executable: "/nonexistent")]).run() }
            _ = await failure { try await Pipeline([tool("cat")]).run(input: .file("/nonexistent")) }
            _ = await failure { try await Pipeline([tool("yes")]).run(output: .collect(limit: 10)) }
            _ = try await Pipeline([tool("cat")]).run(input: .bytes([1, 2]), output: .stream { _ in })
            _ = await failure { try await Pipeline([tool("sleep", "1000")], deadline: .milliseconds(1)).run() }
        }
        try await runs()
        let before = try openDescriptors().count
        for _ in 0..<20 { try await runs() }
        let after = try openDescriptors()
        #expect(after.count < before + 60, "\(after)")
    }
}
