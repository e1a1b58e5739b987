import ArgumentParser
import Command
import Foundation
import Glibc
import Postgres
import Report
import UnixSignals

/// What can be measured, each with its contestants.
enum Subject: String, CaseIterable, ExpressibleByArgument {
    case cleanup, backup, daemon, scale, schedule
}

/// Measures pgcaretaker side by side with what people use today, in one run on one machine.
///
/// A time by itself says little of a program and much of the machine; what counts here are ratios between contestants that
/// work on the same rows, one right after the other.
@main
struct BenchmarkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "Benchmarks",
        abstract: "Measure pgcaretaker beside pg_dump, a plain DELETE and other schedulers, on a private PostgreSQL.",
        discussion:
            "A target that is missed is printed, and does not change the exit status. Everything made is removed at the end.")

    @Option(help: "How many activities there are; half of them are due for the cleanup.") var rows = 4_000_000
    @Option(parsing: .upToNextOption, help: "Measure only these: cleanup, backup, daemon, scale, schedule.") var only: [Subject] =
        []
    @Option(help: "How often each contestant of cleanup and backup runs; the slow ones run once.") var runs = 3
    @Option(help: "How many seconds the daemon is watched while it is idle, 60 at least.") var idleSeconds = 65
    @Option(help: "Write the results as JSON to this file as well.") var json: String?
    @Option(help: "The release binary.") var binary = ".build/pgcaretaker"
    @Option(help: "Where the server and the dumps are made: a short path on a real disk.") var directory = "/tmp"

    func validate() throws {
        guard rows >= 1000 else { throw ValidationError("--rows must be 1000 at least") }
        guard (1...100).contains(runs) else { throw ValidationError("--runs must be from 1 to 100") }
        guard (60...3600).contains(idleSeconds) else { throw ValidationError("--idle-seconds must be from 60 to 3600") }
    }

    func run() async throws {
        // Both are opened as who we are now: the user that we are about to become may not be allowed to.
        let program: ProgramFile
        let report: FileHandle?
        do {
            program = try ProgramFile(path: binary)
            report = try json.map(Self.create)
            try stepDown()
        } catch let failure as BenchmarkFailure {
            throw Console.fail(failure)
        }
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let work = Task { () async throws -> [Section] in try await measure(program) }
        let interruption = Task {
            for await _ in signals { work.cancel() }
        }
        let result = await work.result
        interruption.cancel()
        if work.isCancelled, case .failure = result {
            throw Console.fail(BenchmarkFailure("interrupted; everything has been removed"))
        }
        do {
            let sections = try result.get()
            let settings = Arena.settings.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.text($0.value)) }
            let value = JSONValue.object([
                ("rows", .integer(rows)), ("processors", .integer(ProcessInfo.processInfo.activeProcessorCount)),
                ("settings", .object(settings)), ("subjects", .array(sections.map(\.json))),
            ])
            try report?.write(contentsOf: Data((value.text + "\n").utf8))
        } catch let failure as BenchmarkFailure {
            throw Console.fail(failure)
        } catch let failure as PrivateClusterError {
            throw Console.fail(BenchmarkFailure(failure.description))
        } catch let failure as PostgresError {
            throw Console.fail(BenchmarkFailure(failure.message))
        }
    }

    private static func create(_ path: String) throws -> FileHandle {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw BenchmarkFailure.system("create", path) }
        return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    /// PostgreSQL refuses to run as root, and nothing here needs root's rights.
    private func stepDown() throws {
        guard ProcessUser.isRoot else { return }
        guard let user = ProcessUser.unprivileged() else {
            throw BenchmarkFailure("there is no unprivileged user to run as; install Debian's package postgresql")
        }
        do {
            try ProcessUser.stepDown(to: user)
        } catch {
            throw BenchmarkFailure("cannot become \(user.name): \(error)")
        }
        setenv("HOME", user.home, 1)
        _ = chdir("/")
    }

    private func measure(_ program: ProgramFile) async throws -> [Section] {
        for leftover in PrivateCluster.sweepOrphans(in: directory) { Console.note("removed \(leftover), left by an earlier run") }
        let subjects = Subject.allCases.filter { only.isEmpty || only.contains($0) }
        var sections: [Section] = []
        func add(_ section: Section) {
            sections.append(section)
            Console.say("\n" + section.text)
        }
        if subjects.contains(where: { $0 != .schedule }) {
            let arena = try await Arena.make(in: directory, program: program)
            do {
                if subjects.contains(.cleanup) || subjects.contains(.backup) {
                    Console.say(arena.headline(rows: rows))
                    try await arena.fill(rows: rows)
                }
                if subjects.contains(.cleanup) { add(try await CleanupBenchmark(arena: arena, rows: rows, runs: runs).measure()) }
                if subjects.contains(.backup) { add(try await BackupBenchmark(arena: arena, rows: rows, runs: runs).measure()) }
                if subjects.contains(.daemon) { add(try await DaemonBenchmark(arena: arena, idleSeconds: idleSeconds).measure()) }
                if subjects.contains(.scale) { add(try await ScaleBenchmark(arena: arena, seconds: 30).measure()) }
            } catch {
                await arena.remove()
                throw error
            }
            await arena.remove()
        }
        if subjects.contains(.schedule) { add(try await ScheduleBenchmark().measure()) }
        return sections
    }
}
