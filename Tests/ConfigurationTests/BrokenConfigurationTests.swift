import Configuration
import Foundation
import Schedule
import TestSupport
import Testing

struct BrokenFile: Sendable, CustomTestStringConvertible {
    let text: String
    let line: Int
    let key: String?
    let reason: String
    var hint: String?

    init(_ text: String, _ line: Int, _ key: String?, _ reason: String, _ hint: String? = nil) {
        (self.text, self.line, self.key, self.reason, self.hint) = (text, line, key, reason, hint)
    }

    var testDescription: String { "\(key ?? "file"): \(reason)" }
}

private let database = "[database]\nurl = \"postgresql:///x\"\n"

private func job(_ lines: String) -> String { "\(database)[jobs.a]\n\(lines)" }

private func retention(_ lines: String) -> String {
    job("kind = \"retention\"\nschedule = \"0 2 * * *\"\ntable = \"t\"\ncolumn = \"c\"\n\(lines)")
}

@Suite("Broken configurations")
struct BrokenConfigurationTests {
    static let files: [BrokenFile] = [
        BrokenFile("timezone = ", 1, nil, "not valid TOML"),
        BrokenFile("a = 1\na = 2\n", 2, nil, "not valid TOML"),
        BrokenFile("timezne = \"UTC\"\n\(database)", 1, "timezne", "unknown key", "timezone"),
        BrokenFile("timezone = \"Mars/Phobos\"\n\(database)", 1, "timezone", "there is no time zone \"Mars/Phobos\""),
        BrokenFile("timezone = \"Asia/Kolkatta\"\n\(database)", 1, "timezone", "there is no time zone", "Asia/Kolkata"),
        BrokenFile("timezone = \"../passwd\"\n\(database)", 1, "timezone", "is not the name of a time zone"),
        BrokenFile("timezone = \"right/UTC\"\n\(database)", 1, "timezone", "counts time in another way"),
        BrokenFile("timezone = 5\n\(database)", 1, "timezone", "an integer where a time zone"),
        BrokenFile("state_directory = \"state\"\n\(database)", 1, "state_directory", "is not absolute"),
        BrokenFile("max_parallel_jobs = 0\n\(database)", 1, "max_parallel_jobs", "0 is out of range", "from 1 to 64"),
        BrokenFile("max_parallel_jobs = \"2\"\n\(database)", 1, "max_parallel_jobs", "a string where a whole number"),
        BrokenFile("log_level = \"inof\"\n\(database)", 1, "log_level", "\"inof\" is not known", "info"),
        BrokenFile("history_keep = 400\n\(database)", 1, "history_keep", "has no unit", "400d"),
        BrokenFile("env_file = \"/nowhere/.env\"\n\(database)", 1, "env_file", "cannot be read"),
        BrokenFile("[database]\nurl = \"mysql://x/y\"\n", 2, "database.url", "mysql"),
        BrokenFile("[database]\nurl = \"postgresql:///x?shcema=a\"\n", 2, "database.url", "shcema"),
        BrokenFile("[database]\nurl = \"\"\n", 2, "database.url", "the text is empty"),
        BrokenFile(
            "[database]\ntimestamps = \"UTX\"\nurl = \"postgresql:///x\"\n", 2, "database.timestamps", "there is no time zone"),
        BrokenFile("[database]\n", 1, "database.url", "missing", "DATABASE_URL"),
        BrokenFile("database = 3\n", 1, "database", "an integer where a table"),
        BrokenFile("\(database)[databases.b]\nurl = \"postgresql:///y\"\n", 1, "database", "both [database] and [databases.NAME]"),
        BrokenFile("\(database)[jobs]\na = 1\n", 4, "jobs.a", "an integer where a table"),
        BrokenFile(job("schedule = \"0 2 * * *\"\n"), 3, "jobs.a.kind", "missing"),
        BrokenFile(job("kind = \"bakcup\"\n"), 4, "jobs.a.kind", "\"bakcup\" is not known", "backup"),
        BrokenFile(job("kind = \"table-sizes\"\n"), 3, "jobs.a.schedule", "missing"),
        BrokenFile(
            job("kind = \"table-sizes\"\nschedule = \"0 25 * * *\"\n"), 5, "jobs.a.schedule",
            "hour (column 3): 25 is out of range 0-23"),
        BrokenFile(job("kind = \"table-sizes\"\nschedule = \"0 0 30 2 *\"\n"), 5, "jobs.a.schedule", "can never fire"),
        BrokenFile(job("kind = \"table-sizes\"\nschedule = \"@reboot\"\n"), 5, "jobs.a.schedule", "@reboot is no time"),
        BrokenFile(job("kind = \"table-sizes\"\nschedule = 5\n"), 5, "jobs.a.schedule", "an integer where a cron expression"),
        BrokenFile(
            job("kind = \"table-sizes\"\nschedule = \"@daily\"\ndays = \"either\"\n"), 6, "jobs.a.days", "\"either\" is not known"),
        BrokenFile(
            job("kind = \"table-sizes\"\nschedule = \"@daily\"\nenabled = \"yes\"\n"), 6, "jobs.a.enabled",
            "a string where true or false"),
        BrokenFile(job("kind = \"table-sizes\"\nschedule = \"@daily\"\nretries = -1\n"), 6, "jobs.a.retries", "-1 is out of range"),
        BrokenFile(
            job("kind = \"table-sizes\"\nschedule = \"@daily\"\nretry_delay = \"soon\"\n"), 6, "jobs.a.retry_delay",
            "\"soon\" is no duration"),
        BrokenFile(job("kind = \"table-sizes\"\nschedule = \"@daily\"\ntimeout = \"0s\"\n"), 6, "jobs.a.timeout", "is no duration"),
        BrokenFile(
            job("kind = \"table-sizes\"\nschedule = \"@daily\"\nwarn_size = \"5 apples\"\n"), 6, "jobs.a.warn_size", "is no size"),
        BrokenFile(
            job("kind = \"table-sizes\"\nschedule = \"@daily\"\nwarn_size = 5\n"), 6, "jobs.a.warn_size", "has no unit", "5MiB"),
        BrokenFile(
            job("kind = \"table-sizes\"\nschedule = \"@daily\"\ndatabase = \"other\"\n"), 6, "jobs.a.database",
            "there is no database \"other\""),
        BrokenFile(
            job("kind = \"table-sizes\"\nschedule = \"@daily\"\ndatabase = \"main\"\ndatabases = [\"main\"]\n"), 7,
            "jobs.a.databases",
            "both database and databases"),
        BrokenFile(
            job("kind = \"table-sizes\"\nschedule = \"@daily\"\ndatabases = []\n"), 6, "jobs.a.databases", "the list is empty"),
        BrokenFile(job("kind = \"table-sizes\"\nschedule = \"@daily\"\nkeep = \"90d\"\n"), 6, "jobs.a.keep", "unknown key"),
        BrokenFile(
            "\(database)[jobs.\"a b\"]\nkind = \"table-sizes\"\nschedule = \"@daily\"\n", 3, "jobs.a b", "is no name for a job"),
        BrokenFile(retention(""), 3, "jobs.a.keep", "missing"),
        BrokenFile(retention("keep = 90\n"), 8, "jobs.a.keep", "the number 90 has no unit", "90d"),
        BrokenFile(retention("keep = \"-1d\"\n"), 8, "jobs.a.keep", "is no duration"),
        BrokenFile(retention("keep = \"5m\"\n"), 8, "jobs.a.keep", "is out of range"),
        BrokenFile(retention("keep = \"90d\"\nbatch_rows = 0\n"), 9, "jobs.a.batch_rows", "0 is out of range"),
        BrokenFile(retention("keep = \"90d\"\nbatchrows = 5\n"), 9, "jobs.a.batchrows", "unknown key", "batch_rows"),
        BrokenFile(retention("keep = 2026-01-01\n"), 8, "jobs.a.keep", "a date where a duration"),
        BrokenFile(
            job("kind = \"retention\"\nschedule = \"@daily\"\ntable = \"\"\ncolumn = \"c\"\nkeep = \"90d\"\n"), 6, "jobs.a.table",
            "the name is empty"),
        BrokenFile(
            job("kind = \"token-purge\"\nschedule = \"@daily\"\ntable = \"users\"\ntoken = \"x\"\nexpires = \"x\"\n"), 8,
            "jobs.a.expires",
            "is the same column as token"),
        BrokenFile(job("kind = \"backup\"\nschedule = \"@daily\"\n"), 3, "jobs.a.directory", "missing"),
        BrokenFile(
            "[databases.b]\nurl = \"postgresql://one/x\"\n[databases.c]\nurl = \"postgresql://two/x\"\n[databases.d]\nurl = \"postgresql://one/y\"\n"
                + "[jobs.a]\nkind = \"backup\"\nschedule = \"@daily\"\ndirectory = \"/b\"\ndatabases = \"*\"\n",
            11, "jobs.a.databases", "\"b\" and \"c\" are both called x by their servers", "a backup job of its own"),
        BrokenFile(
            job("kind = \"backup\"\nschedule = \"@daily\"\ndirectory = \"/b\"\nkeep = { last = 3, dayly = 7 }\n"), 7,
            "jobs.a.keep.dayly",
            "unknown key", "daily"),
        BrokenFile(
            job("kind = \"backup\"\nschedule = \"@daily\"\ndirectory = \"/b\"\ncompression = \"zstd:99\"\n"), 7,
            "jobs.a.compression", "99"),
    ]

    func errors(_ text: String) throws -> [ConfigurationProblem] {
        let folder = try TemporaryFolder("config")
        let path = try folder.write(text, to: "pgcaretaker.toml")
        do throws(ConfigurationErrors) {
            _ = try ConfigurationLoader(path: path, environment: [:]).load()
            return []
        } catch {
            return error.problems.filter { !$0.isWarning }
        }
    }

    @Test("names line, key and reason", arguments: files)
    func broken(_ file: BrokenFile) throws {
        let problems = try errors(file.text)
        let problem = problems.first { $0.key == file.key && $0.reason.contains(file.reason) }
        #expect(problem != nil, "\(problems)")
        #expect(problem?.location.line == file.line, "\(problems)")
        if let hint = file.hint { #expect(problem?.hint?.contains(hint) == true, "\(problems)") }
    }

    @Test("tells every error in one go")
    func all() throws {
        let problems = try errors("timezne = \"UTC\"\nmax_parallel_jobs = 0\n\(database)[jobs.a]\nkind = \"x\"\n")
        #expect(problems.count == 3, "\(problems)")
    }

    @Test("refuses a file that everybody may write to")
    func worldWritable() throws {
        let folder = try TemporaryFolder("config")
        let path = try folder.write(database, to: "pgcaretaker.toml", mode: 0o666)
        #expect(throws: ConfigurationErrors.self) { try ConfigurationLoader(path: path, environment: [:]).load() }
    }

    @Test("lays drop-ins over the file, key by key")
    func dropIns() throws {
        let folder = try TemporaryFolder("config")
        let path = try folder.write(retention("keep = \"90d\"\n"), to: "pgcaretaker.toml")
        try folder.write("[jobs.a]\nschedule = \"0 3 * * *\"\n", to: "conf.d/10-later.toml")
        try folder.write("nonsense", to: "conf.d/20-editor.toml~")
        let configuration = try ConfigurationLoader(path: path, environment: [:]).load()
        #expect(configuration.jobs.first?.schedule.expression.text == "0 3 * * *")
        #expect(configuration.files.count == 2)
    }

    @Test("a reload's changes are told key by key")
    func changes() throws {
        let folder = try TemporaryFolder("config")
        let path = try folder.write(retention("keep = \"90d\"\n"), to: "pgcaretaker.toml")
        let before = try ConfigurationLoader(path: path, environment: [:]).load()
        try folder.write(
            retention("keep = \"60d\"\n[jobs.b]\nkind = \"table-sizes\"\nschedule = \"@daily\"\n"), to: "pgcaretaker.toml")
        let after = try ConfigurationLoader(path: path, environment: [:]).load()
        #expect(before.changes(to: after).changedKeys == ["jobs.a.keep"])
        #expect(before.changes(to: after).added == ["b"])
    }
}
