import Command
import Glibc

/// The client programs of PostgreSQL that fit a server: pg_dump and the pg_restore of the same version.
struct ClientPrograms: Sendable, Hashable {
    /// pg_dump's absolute path.
    let dump: String
    /// pg_restore's absolute path; `nil` if there is none beside pg_dump.
    let restore: String?
    /// pg_dump's version.
    let version: ProgramVersion

    /// Where to look.
    struct Search: Sendable, Hashable {
        /// The only folder to look in, if the configuration names one.
        var directory: String?
        /// The folders of the `PATH` variable.
        var path: String
        /// Where Debian keeps a folder for each major version.
        var versionsDirectory = "/usr/lib/postgresql"

        /// The places to look into, the best first: the server's own major version, then newer ones from the newest down.
        ///
        /// An older pg_dump refuses a newer server; a newer one reads every older one, but may write what the server's own pg_restore
        /// cannot read back.
        func candidates(serverMajor: Int, installed: [Int]) -> [String] {
            if let directory { return [directory] }
            let fitting = installed.filter { $0 == serverMajor } + installed.filter { $0 > serverMajor }.sorted(by: >)
            let tooOld = installed.filter { $0 < serverMajor }.sorted(by: >)
            // Those too old come last: if nothing else is there, the message can say what is.
            return fitting.map { "\(versionsDirectory)/\($0)/bin" } + ExecutableSearch(path: path).directories
                + tooOld.map { "\(versionsDirectory)/\($0)/bin" }
        }
    }

    /// Finds a pg_dump for a server of that major version.
    ///
    /// - Throws: ``JobError`` of code `program-missing` or `program-too-old`, naming the package to install.
    static func find(_ search: Search, serverMajor: Int) async throws(JobError) -> ClientPrograms {
        let installed = await BlockingWork.run { () throws(Never) in
            ((try? Folder.names(in: search.versionsDirectory)) ?? []).compactMap { Int($0) }
        }
        var tooOld: ProgramVersion?
        var broken: JobError?
        for directory in search.candidates(serverMajor: serverMajor, installed: installed) {
            let dump = "\(directory)/pg_dump"
            guard ExecutableSearch.isExecutableFile(dump) else { continue }
            let version: ProgramVersion
            do throws(JobError) {
                version = try await ProgramVersion.ask(dump, path: search.path)
            } catch {
                if error.code == .cancelled { throw error }
                broken = broken ?? error
                continue
            }
            guard version.major >= serverMajor else {
                tooOld = max(tooOld ?? version, version)
                continue
            }
            let restore = "\(directory)/pg_restore"
            return ClientPrograms(
                dump: dump, restore: ExecutableSearch.isExecutableFile(restore) ? restore : nil, version: version)
        }
        let place = search.directory.map { " in \($0)" } ?? ""
        let hint = "Install Debian's package postgresql-client-\(serverMajor), or name the folder of its programs as pg_bin."
        if let tooOld {
            throw JobError(
                .programTooOld,
                "pg_dump \(tooOld) is older than the server, which is PostgreSQL \(serverMajor), and would refuse to dump it",
                hint: hint)
        }
        if let broken { throw broken }
        throw JobError(.programMissing, "pg_dump was not found\(place)", hint: hint)
    }
}

/// A program's version, `15.18`, as it tells it itself.
struct ProgramVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The first number.
    let major: Int
    /// All of it, without what a distribution adds.
    let description: String

    /// Reads `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` or `*** Zstandard CLI (64-bit) v1.5.4, by Yann Collet ***`: the first
    /// word that begins as a number with a point, or with a word such as `beta`, in it.
    init?(line: some StringProtocol) {
        for word in line.split(whereSeparator: { $0 == " " || $0 == "," || $0 == "\n" }) {
            let text = word.hasPrefix("v") ? word.dropFirst() : word
            let digits = text.prefix { $0.isASCII && $0.isNumber }
            guard let major = Int(digits), major > 0 else { continue }
            let rest = text.dropFirst(digits.count)
            guard rest.isEmpty || rest.hasPrefix(".") || ["devel", "alpha", "beta", "rc"].contains(where: rest.hasPrefix) else {
                continue
            }
            self.major = major
            description = String(text)
            return
        }
        return nil
    }

    /// Asks a program for its version.
    ///
    /// - Throws: ``JobError`` of code `program-failed` if it does not tell, `cancelled` if the task was cancelled.
    static func ask(_ executable: String, path: String) async throws(JobError) -> ProgramVersion {
        let program = Program(executable: executable, arguments: ["--version"], environment: ["PATH": path, "LC_ALL": "C"])
        let result: PipelineResult
        do throws(PipelineError) {
            // A program that does not answer is as good as none, and must not hold the run until its timeout.
            result = try await Pipeline([program], deadline: .seconds(30)).run(output: .collect(limit: 64 * 1024))
        } catch {
            if case .cancelled = error { throw .cancelled }
            throw JobError(.programFailed, "\(executable) --version: \(error)")
        }
        let answer = String(decoding: result.output, as: UTF8.self)
        if let failure = result.firstFailure {
            throw JobError(
                .programFailed, "\(executable) --version \(failure.termination)", details: failure.standardErrorTail)
        }
        guard let version = ProgramVersion(line: answer) else {
            throw JobError(.programFailed, "\(executable) --version tells no version", details: answer)
        }
        return version
    }

    static func < (left: ProgramVersion, right: ProgramVersion) -> Bool {
        left.numbers.lexicographicallyPrecedes(right.numbers)
    }

    private var numbers: [Int] { description.split(separator: ".").map { Int($0.prefix { $0.isNumber }) ?? 0 } }
}

/// The compressor.
enum Zstandard {
    /// Finds zstd.
    ///
    /// - Throws: ``JobError`` of code `program-missing`, naming the package to install.
    static func find(path: String) throws(JobError) -> String {
        guard let program = ExecutableSearch(path: path).find("zstd") else {
            throw JobError(.programMissing, "the program zstd was not found", hint: "Install Debian's package zstd.")
        }
        return program
    }
}
