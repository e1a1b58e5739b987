import History
import Jobs
import Schedule
import Scheduler

/// A simulation as people and programs read it: who waits, who is cut off, what is skipped, how long there is no backup.
package struct SimulationReport: Sendable {
    /// The longest time between the ends of two backups.
    package struct BackupGap: Hashable, Sendable {
        /// The job and its database.
        package let key: JobKey
        /// The end of the earlier backup, or the beginning of the simulation.
        package let from: Instant
        /// The end of the later one, or of the simulation.
        package let through: Instant
    }

    private let simulation: Simulation
    private let durations: [JobKey: Duration]
    private let start: Instant
    private let end: Instant
    private let zone: ZoneRules
    /// For each backup, the longest time without.
    package let gaps: [BackupGap]

    /// Runs that wait longer than this for their turn are told.
    static let toldWait = Duration.seconds(1)
    /// So many lines of a kind are shown to people.
    static let lineLimit = 20

    /// The median of some durations; `nil` of none.
    package static func usual(_ durations: [Duration]) -> Duration? {
        durations.isEmpty ? nil : durations.sorted()[durations.count / 2]
    }

    /// A report.
    ///
    /// - Parameter backups: the names of the jobs that make backups.
    package init(
        _ simulation: Simulation, durations: [JobKey: Duration], backups: Set<String>, from start: Instant,
        through end: Instant, zone: ZoneRules
    ) {
        self.simulation = simulation
        self.durations = durations
        self.start = start
        self.end = end
        self.zone = zone
        let runs = Dictionary(grouping: simulation.runs.filter { backups.contains($0.key.job) }, by: \.key)
        // One that is always skipped is a gap, too: the longest.
        let keys = Set(runs.keys).union(simulation.skipped.map(\.key).filter { backups.contains($0.job) })
        gaps = keys.map { key in
            let ends = [start] + (runs[key] ?? []).filter { !$0.isCutOff && $0.end <= end }.map(\.end).sorted() + [end]
            let widest = zip(ends, ends.dropFirst()).max { $0.1 - $0.0 < $1.1 - $1.0 }
            return BackupGap(key: key, from: widest?.0 ?? start, through: widest?.1 ?? end)
        }.sorted { $0.key < $1.key }
    }

    /// Runs that waited for their turn.
    package var delayed: [Simulation.Run] { simulation.runs.filter { $0.start - $0.fire > Self.toldWait } }
    /// Runs that their window ended.
    package var cutOff: [Simulation.Run] { simulation.runs.filter(\.isCutOff) }

    /// For people.
    package var text: String {
        var lines = ["from \(wall(start)) to \(wall(end)): \(HumanText.count(Int64(simulation.runs.count), "run"))"]
        var table = TextTable(["JOB", "DATABASE", "RUNS", "USUALLY TAKES", "LONGEST WAIT", "SKIPPED"], rightAligned: [2, 3, 4, 5])
        let skipped = Dictionary(grouping: simulation.skipped, by: \.key)
        let runs = Dictionary(grouping: simulation.runs, by: \.key)
        for key in Set(runs.keys).union(skipped.keys).sorted() {
            let own = runs[key] ?? []
            table.add([
                key.job, key.database, HumanText.count(Int64(own.count)),
                durations[key].map { HumanText.duration($0) } ?? "not known",
                HumanText.duration(own.map { $0.start - $0.fire }.max() ?? .zero), HumanText.count(Int64(skipped[key]?.count ?? 0)),
            ])
        }
        lines.append(table.text)
        lines += told(
            "waits", delayed.map { "\($0.key.job) of \(wall($0.fire)) begins \(HumanText.duration($0.start - $0.fire)) later" })
        lines += told("its window ends it", cutOff.map { "\($0.key.job) of \(wall($0.fire)) is cut off at \(wall($0.end))" })
        lines += told("skipped", simulation.skipped.map { "\($0.key.job) of \(wall($0.fire)): \($0.reason.words)" })
        for gap in gaps {
            lines.append(
                "longest time without a finished \(gap.key.job) of \(gap.key.database): \(HumanText.duration(gap.through - gap.from)), from \(wall(gap.from))"
            )
        }
        if simulation.isCutShort {
            lines.append("there was more to play than \(HumanText.count(Int64(Simulation.eventLimit))) events; ask for fewer days")
        }
        return lines.joined(separator: "\n")
    }

    private func told(_ title: String, _ lines: [String]) -> [String] {
        guard !lines.isEmpty else { return [] }
        let more = lines.count > Self.lineLimit ? ["  … and \(HumanText.count(Int64(lines.count - Self.lineLimit))) more"] : []
        return ["\(title):"] + lines.prefix(Self.lineLimit).map { "  \($0)" } + more + [""]
    }

    private func wall(_ instant: Instant) -> String { instant.wallTime(in: zone) }

    /// For programs.
    package var json: JSONValue {
        func run(_ run: Simulation.Run) -> JSONValue {
            .object([
                ("job", .text(run.key.job)), ("database", .text(run.key.database)), ("fire", .text(run.fire.rfc3339)),
                ("start", .text(run.start.rfc3339)), ("end", .text(run.end.rfc3339)),
                ("waited", .seconds(run.start - run.fire)), ("cut_off", .boolean(run.isCutOff)),
            ])
        }
        return .object([
            ("from", .text(start.rfc3339)), ("through", .text(end.rfc3339)), ("complete", .boolean(!simulation.isCutShort)),
            ("runs", .array(simulation.runs.map(run))), ("delayed", .array(delayed.map(run))),
            ("cut_off", .array(cutOff.map(run))),
            (
                "skipped",
                .array(
                    simulation.skipped.map {
                        .object([
                            ("job", .text($0.key.job)), ("database", .text($0.key.database)), ("fire", .text($0.fire.rfc3339)),
                            ("reason", .text($0.reason.rawValue)),
                        ])
                    })
            ),
            (
                "backup_gaps",
                .array(
                    gaps.map {
                        .object([
                            ("job", .text($0.key.job)), ("database", .text($0.key.database)), ("from", .text($0.from.rfc3339)),
                            ("through", .text($0.through.rfc3339)), ("duration", .seconds($0.through - $0.from)),
                        ])
                    })
            ),
        ])
    }
}
