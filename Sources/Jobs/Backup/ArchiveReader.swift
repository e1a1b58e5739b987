import Command

/// Reads a compressed dump from its first byte to its last, as a restore does, without restoring anything.
struct ArchiveReader: Sendable {
    /// zstd's absolute path.
    let zstd: String
    /// pg_restore's absolute path, of the version that made the dump or a later one.
    let restore: String
    /// The folders of the `PATH` variable.
    let path: String
    /// What is added to the nice value of both.
    var niceness = BackupOptions.defaultNice

    /// Lets pg_restore turn the whole dump into SQL, which goes nowhere.
    ///
    /// - Throws: ``JobError`` of code `backup-damaged` if one of the programs finds fault with it.
    func read(_ dump: String) async throws(JobError) {
        let environment = ["PATH": path, "LC_ALL": "C"]
        let pipeline = Pipeline([
            Program(executable: zstd, arguments: ["-q", "-d", "-c"], environment: environment, niceness: niceness),
            Program(executable: restore, arguments: ["--exit-on-error", "--file=-"], environment: environment, niceness: niceness),
        ])
        let result: PipelineResult
        do throws(PipelineError) {
            result = try await pipeline.run(input: .file(dump), output: .discard)
        } catch {
            throw JobError(error, doing: "reading \(dump)")
        }
        guard let failure = result.firstFailure else { return }
        let telling = JobError.tellingLine(of: failure.standardErrorTail).map { ": \($0)" } ?? ""
        throw JobError(
            .backupDamaged, "\(dump) cannot be read to its end: \(failure.program) \(failure.termination)\(telling)",
            details: failure.standardErrorTail.isEmpty ? nil : failure.standardErrorTail)
    }

    /// The table of contents of a dump, as `pg_restore --list` prints it.
    ///
    /// - Throws: ``JobError`` of code `backup-damaged` if pg_restore cannot read it.
    func contents(of dump: String) async throws(JobError) -> String {
        let environment = ["PATH": path, "LC_ALL": "C"]
        let pipeline = Pipeline([
            Program(executable: zstd, arguments: ["-q", "-d", "-c"], environment: environment),
            Program(executable: restore, arguments: ["--list"], environment: environment),
        ])
        let result: PipelineResult
        do throws(PipelineError) {
            result = try await pipeline.run(input: .file(dump), output: .collect(limit: 256 << 20))
        } catch {
            throw JobError(error, doing: "reading \(dump)")
        }
        // The table stands at the beginning: pg_restore ends there, and zstd of the pipe that nobody reads any more.
        guard let list = result.stages.last, list.termination.isSuccess else {
            throw JobError(
                .backupDamaged, "the table of contents of \(dump) cannot be read", details: result.stages.last?.standardErrorTail)
        }
        return String(decoding: result.output, as: UTF8.self)
    }
}
