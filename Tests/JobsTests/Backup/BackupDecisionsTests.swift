import Command
import Schedule
import Testing

@testable import Jobs

@Suite("SpaceNeed")
struct SpaceNeedTests {
    @Test(
        "the last backup tells how much is needed, and more if the database has grown",
        arguments: [
            (100, 1000, 1000, 120), (100, 1000, 2000, 240), (100, 1000, 500, 120), (100, 0, 500, 120),
        ] as [(Int64, Int64, Int64, Int64)])
    func last(size: Int64, then: Int64, now: Int64, need: Int64) {
        #expect(SpaceNeed(lastBackup: (size, then), databaseSize: now).bytes == need)
    }

    @Test("without a backup a third of the database is needed")
    func first() { #expect(SpaceNeed(lastBackup: nil, databaseSize: 3000).bytes == 1000) }

    @Test("too little room is refused with both numbers, enough is not")
    func check() throws {
        let need = SpaceNeed(lastBackup: (1 << 30, 1), databaseSize: 1)
        try need.check(free: need.bytes, at: "/b")
        do {
            try need.check(free: 1 << 20, at: "/b")
            Issue.record("accepted")
        } catch {
            #expect(error.code == .diskFull)
            #expect(error.message == "1.00 MiB are free at /b, but the backup needs about 1.20 GiB (the last one has 1.00 GiB)")
        }
    }
}

@Suite("BackupOptions")
struct BackupOptionsTests {
    private func read(_ values: [String: OptionValue]) -> (options: BackupOptions?, problems: [OptionProblem]) {
        var problems: [OptionProblem] = []
        let options = BackupOptions(
            OptionValues(values.merging(["directory": .text("/var/backups/x/")]) { given, _ in given }), problems: &problems)
        return (options, problems)
    }

    @Test("defaults are those of the manual")
    func defaults() throws {
        let options = try #require(read([:]).options)
        #expect(options.directory == "/var/backups/x")
        #expect(options.compression == "zstd:3")
        #expect(options.threads == 2)
        #expect(options.nice == 5)
        #expect(options.keep == PruningPolicy(last: 3, daily: 7, weekly: 4, monthly: 6, yearly: 0))
        #expect(options.lockTimeout == .seconds(5))
        #expect(options.programDirectory == nil)
    }

    @Test(
        "compression is zstd with a level from 1 to 19",
        arguments: [
            ("zstd", 3), ("zstd:1", 1), ("zstd:19", 19), ("zstd:20", nil), ("zstd:0", nil), ("zstd:", nil), ("gzip:6", nil),
            ("ZSTD:3", nil), ("zstd:+3", nil), ("zstd:3 ", nil), ("none", nil), ("", nil),
        ] as [(String, Int?)])
    func compression(text: String, level: Int?) {
        let (options, problems) = read(["compression": .text(text)])
        #expect(options?.level == level)
        #expect(problems.map(\.key) == (level == nil ? ["compression"] : []))
        #expect(problems.allSatisfy { $0.hint != nil })
    }

    @Test("a number that keep does not name has its default, and all zero is refused")
    func keep() {
        #expect(
            read(["keep": .table(["daily": .integer(2)])]).options?.keep == PruningPolicy(last: 3, daily: 2, weekly: 4, monthly: 6))
        let names = ["last", "daily", "weekly", "monthly", "yearly"]
        let zeros = OptionValue.table(Dictionary(uniqueKeysWithValues: names.map { ($0, .integer(0)) }))
        let (options, problems) = read(["keep": zeros])
        #expect(options == nil)
        #expect(problems.map(\.key) == ["keep"])
    }

    @Test("every option that is read is one that the configuration knows")
    func specifications() {
        #expect(BackupJob.options.map(\.name) == ["directory", "compression", "threads", "nice", "keep", "pg_bin", "lock_timeout"])
        #expect(BackupJob.options.filter(\.isRequired).map(\.name) == ["directory"])
    }
}

@Suite("ClientPrograms")
struct ClientProgramsTests {
    @Test(
        "versions are read from what programs print",
        arguments: [
            ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15, "15.18"), ("pg_dump (PostgreSQL) 9.6.24", 9, "9.6.24"),
            ("pg_dump (PostgreSQL) 19devel", 19, "19devel"), ("pg_dump (PostgreSQL) 18beta1", 18, "18beta1"),
            ("*** Zstandard CLI (64-bit) v1.5.4, by Yann Collet ***", 1, "1.5.4"),
            ("pg_dump (EnterpriseDB) 16.2.1 (x)", 16, "16.2.1"),
        ])
    func versions(line: String, major: Int, text: String) throws {
        let version = try #require(ProgramVersion(line: line))
        #expect(version.major == major)
        #expect(version.description == text)
    }

    @Test("what is no version is none", arguments: ["", "pg_dump", "command not found", "(64-bit)", "usage: x [-1]"])
    func noVersion(line: String) { #expect(ProgramVersion(line: line) == nil) }

    @Test("versions are ordered by number, not by letter")
    func order() throws {
        let versions = try ["9.6.24", "15.2", "15.18", "16.0"].map { try #require(ProgramVersion(line: $0)) }
        #expect(versions.shuffled().sorted() == versions)
    }

    @Test("the server's own version is tried first, then newer ones, then PATH, and older ones only to say so")
    func candidates() {
        let search = ClientPrograms.Search(directory: nil, path: "/usr/bin:relative:/bin")
        #expect(
            search.candidates(serverMajor: 15, installed: [13, 14, 15, 16, 18]) == [
                "/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/18/bin", "/usr/lib/postgresql/16/bin", "/usr/bin", "/bin",
                "/usr/lib/postgresql/14/bin", "/usr/lib/postgresql/13/bin",
            ])
        let named = ClientPrograms.Search(directory: "/opt/pg/bin", path: "/usr/bin")
        #expect(named.candidates(serverMajor: 15, installed: [15]) == ["/opt/pg/bin"])
    }

    @Test("where there is none, the package to install is named")
    func missing() async {
        let search = ClientPrograms.Search(directory: "/nonexistent", path: "")
        do {
            _ = try await ClientPrograms.find(search, serverMajor: 17)
            Issue.record("found")
        } catch {
            #expect(error.code == .programMissing)
            #expect(error.hint?.contains("postgresql-client-17") == true)
        }
    }
}

@Suite("JobError of a program")
struct ProgramFailureTests {
    @Test(
        "what a program said is told, and what it means is known",
        arguments: [
            (
                "pg_dump: warning: there are circular foreign-key constraints\npg_dump: error: query failed: ERROR:  permission denied for table x\npg_dump: detail: Query was: LOCK TABLE public.x IN ACCESS SHARE MODE\n",
                JobError.Code.permissionDenied, "query failed: ERROR:  permission denied for table x", false
            ),
            (
                "pg_dump: error: query failed: ERROR:  canceling statement due to statement timeout\npg_dump: detail: Query was: LOCK TABLE public.x IN ACCESS SHARE MODE\n",
                .lockTimeout, "query failed: ERROR:  canceling statement due to statement timeout", true
            ),
            (
                "pg_dump: error: Dumping the contents of table \"t\" failed: PQgetResult() failed.\npg_dump: detail: Error message from server: ERROR:  query would be affected by row-level security policy for table \"t\"\n",
                .permissionDenied, "Dumping the contents of table \"t\" failed: PQgetResult() failed.", false
            ),
            (
                "pg_dump: error: aborting because of server version mismatch\npg_dump: detail: server version: 16; pg_dump version: 15\n",
                .programTooOld, "aborting because of server version mismatch", false
            ),
            (
                "pg_dump: error: connection to server on socket \"/x\" failed: FATAL:  the database system is shutting down\n",
                .databaseUnreachable, "connection to server on socket \"/x\" failed: FATAL:  the database system is shutting down",
                true
            ),
            (
                "pg_dump: error: connection to server at \"db\", port 5432 failed: FATAL:  password authentication failed for user \"u\"\n",
                .databaseRefused,
                "connection to server at \"db\", port 5432 failed: FATAL:  password authentication failed for user \"u\"", false
            ),
            (
                "pg_dump: error: Dumping the contents of table \"t\" failed: PQgetCopyData() failed.\npg_dump: detail: Error message from server: server closed the connection unexpectedly\n",
                .databaseUnreachable, "Dumping the contents of table \"t\" failed: PQgetCopyData() failed.", true
            ),
            (
                "zstd: error 70 : Write error : cannot write block : No space left on device \n", .diskFull,
                "zstd: error 70 : Write error : cannot write block : No space left on device ", false
            ),
            ("something odd\n\n", .programFailed, "something odd", false),
        ])
    func recognised(text: String, code: JobError.Code, line: String, isWorthRetrying: Bool) {
        let stage = StageResult(program: "pg_dump", termination: .exited(1), standardErrorTail: text)
        let error = JobError(stage, doing: "the dump")
        #expect(error.code == code)
        #expect(error.message == "the dump failed: pg_dump exited with status 1: \(line)")
        #expect(error.isWorthRetrying == isWorthRetrying)
        #expect(error.details == text)
    }

    @Test("a program that died without a word is named with its signal")
    func silent() {
        let error = JobError(StageResult(program: "zstd", termination: .signalled(9)), doing: "compressing the dump")
        #expect(error.message == "compressing the dump failed: zstd was ended by signal 9 without a word")
        #expect(error.details == nil)
    }
}
