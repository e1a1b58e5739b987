import Configuration
import History
import Jobs
import Schedule

/// Jobs and runs as tables and as JSON.
package enum RunReports {
    /// A job on one of its databases, with what is next and what was last.
    package struct JobLine: Sendable {
        /// The job.
        package let job: JobConfiguration
        /// The database's name.
        package let database: String
        /// When it is due next.
        package let nextFire: Instant?
        /// Its newest run.
        package let last: RunRecord?
        /// The pause that holds.
        package let pause: Pause?

        /// A line of the list of jobs.
        package init(job: JobConfiguration, database: String, nextFire: Instant?, last: RunRecord?, pause: Pause? = nil) {
            self.pause = pause
            self.job = job
            self.database = database
            self.nextFire = nextFire
            self.last = last
        }
    }

    /// The list of jobs for people.
    package static func table(_ lines: [JobLine], now: Instant) -> String {
        var table = TextTable(["JOB", "KIND", "DATABASE", "SCHEDULE", "NEXT", "IN", "LAST", "OUTCOME"])
        for line in lines {
            let zone = line.job.schedule.zone
            table.add([
                line.job.name, line.job.kind, line.database,
                "\(line.job.schedule.expression.text) \(zone.identifier)",
                line.job.isEnabled
                    ? line.pause.map { paused($0, zone) } ?? line.nextFire?.wallTime(in: zone) ?? "never" : "disabled",
                line.pause == nil ? line.nextFire.map { HumanText.duration($0 - now) } ?? "" : "",
                line.last.map { $0.startedAt.wallTime(in: zone) } ?? "never",
                line.last.map { $0.outcome?.rawValue ?? "running" } ?? "",
            ])
        }
        return table.text
    }

    private static func paused(_ pause: Pause, _ zone: ZoneRules) -> String {
        "paused" + (pause.until.map { " until \($0.wallTime(in: zone))" } ?? "") + (pause.reason.map { " (\($0))" } ?? "")
    }

    /// The list of jobs for programs.
    package static func json(_ lines: [JobLine]) -> JSONValue {
        .array(
            lines.map { line in
                .object([
                    ("job", .text(line.job.name)), ("kind", .text(line.job.kind)), ("database", .text(line.database)),
                    ("enabled", .boolean(line.job.isEnabled)), ("paused", .boolean(line.pause != nil)),
                    ("paused_until", .optional(line.pause?.until?.rfc3339)), ("pause_reason", .optional(line.pause?.reason)),
                    ("schedule", .text(line.job.schedule.expression.text)),
                    ("timezone", .text(line.job.schedule.zone.identifier)),
                    ("class", .text(line.job.schedule.expression.scheduleClass.rawValue)),
                    ("next_fire", .optional(line.nextFire?.rfc3339)), ("last_run", line.last.map(json) ?? .null),
                ])
            })
    }

    /// Past runs for people, newest first.
    package static func table(_ runs: [RunRecord], zone: ZoneRules) -> String {
        var table = TextTable(["STARTED", "JOB", "DATABASE", "TRIGGER", "OUTCOME", "TOOK", "WHAT"], rightAligned: [5])
        for run in runs {
            table.add([
                run.startedAt.wallTime(in: zone), run.key.job, run.key.database, run.trigger.rawValue,
                run.outcome?.rawValue ?? "running",
                run.outcome == .skipped ? "" : run.endedAt.map { HumanText.duration($0 - run.startedAt) } ?? "",
                run.message ?? "",
            ])
        }
        return table.text
    }

    /// Past runs for programs.
    package static func json(_ runs: [RunRecord]) -> JSONValue { .array(runs.map(json)) }

    /// A run for programs.
    package static func json(_ run: RunRecord) -> JSONValue {
        .object([
            ("run_id", .text(run.id)), ("job", .text(run.key.job)), ("kind", .text(run.kind)),
            ("database", .text(run.key.database)), ("trigger", .text(run.trigger.rawValue)),
            ("attempt", .integer(run.attempt)), ("scheduled_at", .optional(run.scheduledAt?.rfc3339)),
            ("started_at", .text(run.startedAt.rfc3339)), ("ended_at", .optional(run.endedAt?.rfc3339)),
            ("duration", run.endedAt.map { .seconds($0 - run.startedAt) } ?? .null),
            ("outcome", .optional(run.outcome?.rawValue)), ("skip_reason", .optional(run.skipReason?.rawValue)),
            ("passed_fires", .integer(run.passed?.count ?? 0)), ("message", .optional(run.message)),
            ("error_code", .optional(run.errorCode)), ("sqlstate", .optional(run.sqlState)), ("hint", .optional(run.hint)),
            ("path", .optional(run.path)), ("measures", .object(run.measures.map { ($0.name, .integer($0.value)) })),
            ("warnings", .array(run.warnings.map { .text($0) })),
        ])
    }

    /// Table sizes with their change since a day and a week ago.
    package struct SizeLine: Sendable {
        /// The table now.
        package let size: RelationSize
        /// The change in bytes since a day ago, if it was measured then.
        package let sinceDay: Int64?
        /// The change in bytes since a week ago, if it was measured then.
        package let sinceWeek: Int64?
    }

    /// The sample of so long before another one.
    ///
    /// A daily run is never exactly a day after the last, and what is more than twice as old tells of another time.
    package static func sample(_ age: Duration, before now: SizeSample, in history: History) async throws(History.Failure)
        -> SizeSample?
    {
        let found = try await history.sample(of: now.database, notAfter: now.takenAt - age + SizeThresholds.jitter)
        return found.flatMap { now.takenAt - $0.takenAt <= age * 2 ? $0 : nil }
    }

    /// The newest sample against older ones, the largest table first.
    package static func sizes(_ now: SizeSample, day: SizeSample?, week: SizeSample?) -> [SizeLine] {
        func totals(_ sample: SizeSample?) -> [String: Int64] {
            Dictionary(
                (sample?.relations ?? []).map { ("\($0.schema)\u{0}\($0.name)", $0.total) }, uniquingKeysWith: { first, _ in first }
            )
        }
        let before = totals(day)
        let longBefore = totals(week)
        return now.relations.sorted { ($1.total, $0.schema, $0.name) < ($0.total, $1.schema, $1.name) }.map { size in
            let key = "\(size.schema)\u{0}\(size.name)"
            return SizeLine(
                size: size, sinceDay: before[key].map { size.total - $0 }, sinceWeek: longBefore[key].map { size.total - $0 })
        }
    }

    /// Table sizes for people.
    package static func table(_ sample: SizeSample, _ lines: [SizeLine], zone: ZoneRules) -> String {
        func change(_ bytes: Int64?) -> String { bytes.map { ($0 >= 0 ? "+" : "") + HumanText.bytes($0) } ?? "-" }
        var table = TextTable(
            ["TABLE", "TOTAL", "HEAP", "INDEXES", "TOAST", "ROWS", "DEAD", "DAY", "WEEK"], rightAligned: Set(1...8))
        for line in lines {
            table.add([
                line.size.schema == "public" ? line.size.name : "\(line.size.schema).\(line.size.name)",
                HumanText.bytes(line.size.total), HumanText.bytes(line.size.heap), HumanText.bytes(line.size.indexes),
                HumanText.bytes(line.size.toast), HumanText.count(line.size.liveRows), HumanText.count(line.size.deadRows),
                change(line.sinceDay), change(line.sinceWeek),
            ])
        }
        return
            "database \(sample.database): \(HumanText.bytes(sample.databaseBytes)), measured \(sample.takenAt.wallTime(in: zone)); rows are the server's estimates\n"
            + table.text
    }

    /// Table sizes for programs.
    package static func json(_ sample: SizeSample, _ lines: [SizeLine]) -> [JSONValue] {
        lines.map { line in
            .object([
                ("database", .text(sample.database)), ("schema", .text(line.size.schema)), ("table", .text(line.size.name)),
                ("taken_at", .text(sample.takenAt.rfc3339)), ("database_bytes", .integer(sample.databaseBytes)),
                ("total_bytes", .integer(line.size.total)), ("heap_bytes", .integer(line.size.heap)),
                ("index_bytes", .integer(line.size.indexes)), ("toast_bytes", .integer(line.size.toast)),
                ("live_rows", .integer(line.size.liveRows)), ("dead_rows", .integer(line.size.deadRows)),
                ("change_day_bytes", .optional(line.sinceDay)), ("change_week_bytes", .optional(line.sinceWeek)),
            ])
        }
    }
}
