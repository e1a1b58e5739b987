import Schedule

/// The options of a job of kind `backup`, as the configuration names them.
struct BackupOptions: Sendable, Hashable {
    /// Where the backups go, an absolute path.
    let directory: String
    /// zstd's level, 1 to 19.
    let level: Int
    /// zstd's threads; 0 is one for each processor.
    let threads: Int
    /// What is added to the nice value of the programs.
    let nice: Int
    /// How many backups stay.
    let keep: PruningPolicy
    /// The only folder in which PostgreSQL's client programs are looked for.
    let programDirectory: String?
    /// How long pg_dump waits for a lock on a table.
    let lockTimeout: Duration

    /// As the manifest has it: `zstd:3`.
    var compression: String { "zstd:\(level)" }

    static let defaultLevel = 3
    static let defaultThreads = 2
    /// A backup has the whole night; whoever waits for the application has not.
    static let defaultNice = 5
    /// Short, because pg_dump waits while it holds locks on other tables already, and what waits for those waits as well. A run that
    /// did not get its locks is tried again later.
    static let defaultLockTimeout = Duration.seconds(5)

    /// What the configuration accepts.
    static let specifications: [OptionSpecification] = [
        OptionSpecification(
            "directory", .path, required: true,
            "The folder for the dumps and their manifests. It is made (mode 0700) if the folder that it lies in exists."),
        OptionSpecification(
            "compression", .text, default: .text("zstd:\(defaultLevel)"),
            "\"zstd:LEVEL\" with a level from 1 (fast) to 19 (small)."),
        OptionSpecification(
            "threads", .integer(0...256), default: .integer(Int64(defaultThreads)),
            "How many threads compress; 0 means one for each processor."),
        OptionSpecification(
            "nice", .integer(0...19), default: .integer(Int64(defaultNice)),
            "How far pg_dump and zstd stand back when others want the processor: from 0 (not at all) to 19 (as far as can be)."),
        OptionSpecification(
            "keep",
            .table([
                count("last", PruningPolicy.standard.last, "How many of the newest backups stay."),
                count("daily", PruningPolicy.standard.daily, "For how many days the newest backup of the day stays."),
                count(
                    "weekly", PruningPolicy.standard.weekly, "For how many weeks (from Monday) the newest backup of the week stays."
                ),
                count("monthly", PruningPolicy.standard.monthly, "For how many months the newest backup of the month stays."),
                count("yearly", PruningPolicy.standard.yearly, "For how many years the newest backup of the year stays."),
            ]),
            "Which backups of this job and database stay; the others are deleted after the next success. Days without a backup do not count, and the newest good backup always stays."
        ),
        OptionSpecification(
            "pg_bin", .path, defaultText: "the server's major version in /usr/lib/postgresql, else a newer one, else PATH",
            "The folder of pg_dump and pg_restore, if not the usual one."),
        OptionSpecification(
            "lock_timeout", .duration(.milliseconds(100)...Duration.seconds(3600)), default: .duration(defaultLockTimeout),
            "How long pg_dump waits for a table that somebody has locked exclusively, before the run fails and is tried again."),
    ]

    /// Reads validated options.
    ///
    /// - Parameter problems: receives what is wrong with them; the result is `nil` then.
    init?(_ values: OptionValues, problems: inout [OptionProblem]) {
        guard let directory = values.text("directory") else {
            problems.append(OptionProblem("directory", "is missing", hint: "Name the folder that the backups go to."))
            return nil
        }
        self.directory = directory.count > 1 && directory.hasSuffix("/") ? String(directory.dropLast()) : directory
        let text = values.text("compression") ?? "zstd"
        let level = Self.level(text)
        if level == nil {
            problems.append(
                OptionProblem(
                    "compression", "\"\(text)\" is no known compression",
                    hint: "Write \"zstd:3\"; the level goes from 1 (fast) to 19 (small)."))
        }
        self.level = level ?? Self.defaultLevel
        threads = values.integer("threads") ?? Self.defaultThreads
        nice = values.integer("nice") ?? Self.defaultNice
        let keep = values.table("keep")
        let standard = PruningPolicy.standard
        self.keep = PruningPolicy(
            last: keep?.integer("last") ?? standard.last, daily: keep?.integer("daily") ?? standard.daily,
            weekly: keep?.integer("weekly") ?? standard.weekly, monthly: keep?.integer("monthly") ?? standard.monthly,
            yearly: keep?.integer("yearly") ?? standard.yearly)
        if self.keep.keepsNothing {
            problems.append(
                OptionProblem(
                    "keep", "all numbers are 0, so that every backup but the newest would be deleted",
                    hint: "Let at least one of last, daily, weekly, monthly and yearly be 1 or more."))
        }
        programDirectory = values.text("pg_bin")
        lockTimeout = values.duration("lock_timeout") ?? Self.defaultLockTimeout
        guard level != nil, !self.keep.keepsNothing else { return nil }
    }

    /// The level in `zstd` or `zstd:LEVEL`.
    private static func level(_ text: String) -> Int? {
        if text == "zstd" { return defaultLevel }
        guard text.hasPrefix("zstd:") else { return nil }
        let digits = text.dropFirst(5)
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let level = Int(digits) else { return nil }
        return (1...19).contains(level) ? level : nil
    }

    private static func count(_ name: String, _ standard: Int, _ summary: String) -> OptionSpecification {
        OptionSpecification(name, .integer(0...1000), default: .integer(Int64(standard)), summary)
    }
}
