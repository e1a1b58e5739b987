import Command
import Glibc
import TestSupport
import Testing

@testable import Jobs

@Suite("DumpPipeline")
struct DumpPipelineTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("pipeline") }

    private func shell(_ script: String) -> Program {
        Program(executable: "/bin/sh", arguments: ["-c", script], environment: ["PATH": "/usr/bin:/bin"])
    }

    private var zstd: Program {
        Program(executable: "/usr/bin/zstd", arguments: ["-q", "-1", "-c"], environment: ["PATH": "/usr/bin:/bin"])
    }

    /// An archive in a file, of some 5 MB that do not compress well.
    private func archive() throws -> String {
        var writer = ArchiveWriter(entries: 1)
        writer.entry(7, "users", hasData: true)
        writer.bytes.append(1)
        writer.integer(7)
        for _ in 0..<5 {
            writer.integer(1 << 20)
            for _ in 0..<(1 << 17) { withUnsafeBytes(of: UInt64.random(in: 0 ... .max)) { writer.bytes += Array($0) } }
        }
        writer.integer(0)
        try Folder.write(writer.bytes, toNew: folder.path("archive"))
        return folder.path("archive")
    }

    private func run(_ dump: Program, _ compressor: Program) async throws(JobError) -> DumpPipeline.Outcome {
        let file: DumpFile
        do throws(FileFailure) { file = try DumpFile(path: folder.path("partial")) } catch { throw JobError(error) }
        return try await DumpPipeline(dump: dump, compressor: compressor).run(into: file) { _ in }
    }

    private func failure(_ dump: Program, _ compressor: Program) async -> JobError? {
        do {
            _ = try await run(dump, compressor)
            Issue.record("succeeded")
            return nil
        } catch {
            return error
        }
    }

    @Test("what comes out of the file is what went in, and it is measured on the way")
    func roundTrip() async throws {
        let archive = try archive()
        let file = try DumpFile(path: folder.path("partial"))
        let outcome = try await DumpPipeline(dump: shell("cat '\(archive)'"), compressor: zstd).run(into: file) { _ in }
        let measured = try file.finish()
        guard case .complete = outcome.verdict else {
            Issue.record("\(outcome.verdict)")
            return
        }
        let original = try Folder.contents(of: archive, limit: 1 << 30)
        #expect(outcome.uncompressedSize == Int64(original.count))
        let back = try await Pipeline([Program(executable: "/usr/bin/zstd", arguments: ["-dc"])]).run(
            input: .file(file.path), output: .collect(limit: 1 << 30))
        #expect(back.output == original)
        let sum = try await Pipeline([Program(executable: "/usr/bin/sha256sum", arguments: [file.path])]).run(
            output: .collect(limit: 1000))
        #expect(String(decoding: sum.output, as: UTF8.self).hasPrefix(measured.sha256))
        #expect(measured.size == Int64(try Folder.contents(of: file.path, limit: 1 << 30).count))
        #expect(try mode(of: file.path) == 0o600)
        #expect(file.beginsAsZstd)
    }

    @Test("the file is gone with whoever wrote it, unless it was renamed")
    func abandoned() throws {
        do { _ = try DumpFile(path: folder.path("partial")) }
        #expect(!Folder.exists(folder.path("partial")))
    }

    @Test("a file or a link that is there already is never written to")
    func exclusive() throws {
        try folder.write("precious", to: "precious")
        symlink(folder.path("precious"), folder.path("link"))
        for name in ["precious", "link"] {
            #expect(throws: FileFailure.self) { try DumpFile(path: folder.path(name)) }
        }
        #expect(try Folder.contents(of: folder.path("precious"), limit: 100) == Array("precious".utf8))
    }

    @Test(
        "a compressor that dies is named, also while pg_dump is writing and while it writes nothing",
        arguments: ["yes | head -c 50000000", "echo enough to die of; exec sleep 1000"])
    func compressorDies(dump: String) async {
        let error = await failure(
            shell(dump), shell("head -c 10 > /dev/null; echo 'zstd: error: out of memory' >&2; kill -ABRT $$"))
        #expect(error?.message == "compressing the dump failed: sh was ended by signal 6: zstd: error: out of memory")
    }

    @Test("a compressor that exits 1 at once ends a pg_dump that says nothing")
    func compressorRefuses() async {
        let error = await failure(shell("exec sleep 1000"), shell("echo 'bad option' >&2; exit 1"))
        #expect(error?.message == "compressing the dump failed: sh exited with status 1: bad option")
    }

    @Test("programs that are not there are named")
    func missing() async {
        let first = await failure(Program(executable: "/nonexistent/pg_dump"), zstd)
        #expect(first?.code == .programMissing)
        #expect(first?.message.contains("pg_dump") == true)
        let second = await failure(shell("exec sleep 1000"), Program(executable: "/nonexistent/zstd"))
        #expect(second?.code == .programMissing, "\(String(describing: second))")
        #expect(second?.message.contains("zstd") == true)
    }

    @Test("cancelling ends both programs")
    func cancelled() async throws {
        let begun = AsyncStream<Void>.makeStream()
        let file = try DumpFile(path: folder.path("partial"))
        let pipeline = DumpPipeline(dump: shell("echo x; exec sleep 1000"), compressor: zstd)
        let task = Task { () -> JobError? in
            do throws(JobError) {
                _ = try await pipeline.run(into: file) { _ in begun.continuation.yield() }
                return nil
            } catch {
                return error
            }
        }
        for await _ in begun.stream { break }
        task.cancel()
        #expect(await task.value?.code == .cancelled)
    }

    @Test("a file that may not grow any more ends the dump as a full disk does")
    func fileSizeLimit() async throws {
        // In a process of its own, because the limit holds for all threads; works without being root, unlike a small disk.
        let archive: String = try archive()
        let path: String = folder.path("limited")
        await #expect(processExitsWith: .exitCode(7)) { [archive = archive as String, path = path as String] in
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 1 << 20, rlim_max: 1 << 20)
            setrlimit(__rlimit_resource_t(1), &limit)
            let file = try DumpFile(path: path)
            let pipeline = DumpPipeline(
                dump: Program(executable: "/bin/cat", arguments: [archive]),
                compressor: Program(executable: "/usr/bin/zstd", arguments: ["-q", "-1", "-c"]))
            do throws(JobError) {
                _ = try await pipeline.run(into: file) { _ in }
                exit(1)
            } catch {
                exit(error.code == .diskFull && error.message.contains("file too large") ? 7 : 2)
            }
        }
    }
}
