import Command
import Foundation
import Testing

@Suite("Pipeline teardown")
struct PipelineTeardownTests {
    @Test("a pipeline that hangs is ended at its deadline")
    func deadline() async throws {
        let pipeline = Pipeline([tool("sleep", "1000"), tool("cat")], deadline: .milliseconds(50))
        let (error, duration) = await elapsed { await failure { try await pipeline.run(output: .collect(limit: 10)) } }
        #expect(error?.exceededDeadline == .milliseconds(50))
        #expect(duration < .seconds(60))
    }

    @Test("a pipeline within its deadline gives its result")
    func withinDeadline() async throws {
        let result = try await Pipeline([tool("true")], deadline: .seconds(600)).run()
        #expect(result.firstFailure == nil)
    }

    @Test("cancelling the task ends the stages, which may clean up on SIGTERM")
    func cancel() async throws {
        let record = LineRecord()
        let script = "trap 'echo cleaned >&2; exit 0' TERM; sleep 1000 & echo ready >&2; wait"
        let run = Task { try await Pipeline([shell(script), tool("cat")]).run(onErrorLine: record.add) }
        await record.wait(for: "ready")
        run.cancel()
        #expect(await failure { try await run.value }?.isCancelled == true)
        #expect(record.lines.map(\.text).contains("cleaned"))
    }

    @Test("a task that is cancelled already starts nothing")
    func cancelledBefore() async throws {
        let folder = try TemporaryFolder()
        let script = "touch \(folder.file("started"))"
        let error = await Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await failure { try await Pipeline([shell(script)]).run() }
        }.value
        #expect(error?.isCancelled == true)
        #expect(!FileManager.default.fileExists(atPath: folder.file("started")))
    }

    @Test("a stage that ignores SIGTERM gets SIGKILL after the grace")
    func ignoresTermination() async throws {
        let record = LineRecord()
        var pipeline = Pipeline([shell("trap '' TERM; echo ready >&2; while :; do sleep 1000; done")])
        pipeline.terminationGrace = .milliseconds(100)
        let run = Task { [pipeline] in try await pipeline.run(onErrorLine: record.add) }
        await record.wait(for: "ready")
        let (error, duration) = await elapsed {
            run.cancel()
            return await failure { try await run.value }
        }
        #expect(error?.isCancelled == true)
        #expect(duration >= .milliseconds(100))
        #expect(duration < .seconds(60))
    }

    @Test("grandchildren are ended with the group, also those that outlive their parent and ignore SIGTERM")
    func grandchildren() async throws {
        let watch = try DeathWatch()
        let record = LineRecord()
        var pipeline = Pipeline([
            shell("exec 3>\(watch.path); (trap '' TERM; echo ready >&2; while :; do sleep 1000; done) & wait")
        ])
        pipeline.terminationGrace = .milliseconds(100)
        let run = Task { [pipeline] in try await pipeline.run(output: .collect(limit: 10), onErrorLine: record.add) }
        await record.wait(for: "ready")
        run.cancel()
        #expect(await failure { try await run.value }?.isCancelled == true)
        #expect(watch.everybodyIsGone())
    }

    @Test("a grandchild whose parent dies at once still has the grace to clean up")
    func grandchildGrace() async throws {
        let record = LineRecord()
        let script = """
            sh -c 'trap "sleep 0.2; echo cleaned >&2; exit 0" TERM; sleep 1000 & echo ready >&2; wait' & wait
            """
        let run = Task { try await Pipeline([shell(script)]).run(onErrorLine: record.add) }
        await record.wait(for: "ready")
        run.cancel()
        #expect(await failure { try await run.value }?.isCancelled == true)
        #expect(record.lines.map(\.text).contains("cleaned"))
    }

    @Test("a stopped stage is ended too")
    func stopped() async throws {
        let record = LineRecord()
        let run = Task {
            try await Pipeline([shell("echo $$ >&2; echo ready >&2; kill -STOP $$; sleep 1000")]).run(onErrorLine: record.add)
        }
        await record.wait(for: "ready")
        let process = try #require(record.lines.first.flatMap { Int32($0.text) })
        while try !String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8).contains(") T ") { await Task.yield() }
        let (error, duration) = await elapsed {
            run.cancel()
            return await failure { try await run.value }
        }
        #expect(error?.isCancelled == true)
        // Without SIGCONT only SIGKILL, after the grace of five seconds, would reach it.
        #expect(duration < .seconds(4))
    }

    @Test("a process left behind that holds standard error does not hold up the result")
    func leftBehindStandardError() async throws {
        let watch = try DeathWatch()
        let (result, duration) = try await elapsed {
            try await Pipeline([
                shell("exec 3>\(watch.path); echo said >&2; sleep 1000 >/dev/null & echo $! >&2; exit 2")
            ]).run()
        }
        #expect(result.stages[0].termination == .exited(2))
        let lines = result.stages[0].standardErrorTail.split(separator: "\n")
        #expect(lines.first == "said")
        #expect(duration < .seconds(60))
        let leftBehind = try #require(lines.last.flatMap { pid_t($0) })
        kill(leftBehind, SIGKILL)
        #expect(watch.everybodyIsGone())
    }

    @Test(
        "a process left behind that holds standard output: collected output is returned, a stream is not taken for whole"
    )
    func leftBehindOutput() async throws {
        let script = shell("sleep 1000 & echo $!")
        let result = try await Pipeline([script]).run(output: .collect(limit: 100))
        #expect(result.firstFailure == nil)
        kill(try #require(pid_t(String(decoding: result.output, as: UTF8.self).dropLast())), SIGKILL)

        let record = LineRecord()
        let error = await failure {
            try await Pipeline([script]).run(
                output: .stream { record.add(0, String(decoding: $0, as: UTF8.self)) })
        }
        guard case .outputLeftOpen(program: "sh") = try #require(error) else {
            Issue.record("\(String(describing: error))")
            return
        }
        kill(try #require(pid_t(record.lines[0].text.dropLast())), SIGKILL)
    }
}
