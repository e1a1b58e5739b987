import Jobs
import Postgres
import Schedule

/// What the files say, valid and complete.
package struct Configuration: Sendable {
    /// The files that it was read from, in the order in which they were laid over each other.
    package let files: [String]
    /// The zone of every schedule that names none.
    package let zone: ZoneRules
    /// Where the history and the locks are.
    package let stateDirectory: String
    /// How many jobs may run at once.
    package let maxParallelJobs: Int
    /// Who else runs this configuration.
    package let coordination: Coordination
    /// The least important level that is logged.
    package let logLevel: String
    /// How long runs are remembered.
    package let historyKeep: Duration
    /// The databases, by name.
    package let databases: [String: DatabaseAccess]
    /// The jobs, by name; those that are switched off included.
    package let jobs: [JobConfiguration]
    /// What is valid but probably not meant.
    package let warnings: [ConfigurationProblem]
    /// What went into it, for telling what a reload changes: key to value, secrets as digests of nothing but themselves.
    let values: [String: OptionValue]

    /// The job of that name.
    package func job(named name: String) -> JobConfiguration? { jobs.first { $0.name == name } }
}

/// How daemons on several hosts agree on who runs what.
package enum Coordination: String, Sendable, CaseIterable {
    /// There is one host only.
    case none
    /// Through the database that a job works on.
    case database
}

/// A job as the configuration describes it.
package struct JobConfiguration: Sendable {
    /// The job's name.
    package let name: String
    /// The word of its kind.
    package let kind: String
    /// What it does.
    package let job: any Job
    /// Whether it runs by its schedule.
    package let isEnabled: Bool
    /// When it is due.
    package let schedule: ZonedSchedule
    /// The databases it works on, by name.
    package let databases: [String]
    /// How long a run may take.
    package let timeout: Duration?
    /// How often a failed run is tried again.
    package let retries: Int
    /// How long to wait before the first retry.
    package let retryDelay: Duration
    /// Whether a missed fire is made up for.
    package let catchesUp: Bool
    /// How late a missed fire may be made up for.
    package let catchUpWithin: Duration?
    /// By up to how much it begins after its fire.
    package let splay: Duration?
    /// The part of the day outside of which it neither begins nor goes on.
    package let window: DailyWindow?
    /// Of the jobs of one group only one runs at a time.
    package let group: String?
    /// The job that must have succeeded for the same night.
    package let after: String?
    /// Where its table begins.
    package let location: SourceLocation

    /// Schedule and zone in one text, which changes when either does.
    package var scheduleText: String {
        "\(schedule.expression.text) [\(schedule.expression.dayRule.rawValue)] \(schedule.zone.identifier)"
    }
}

/// What a reload changes.
package struct ConfigurationChanges: Hashable, Sendable {
    /// Jobs that were not there.
    package let added: [String]
    /// Jobs that are no longer there.
    package let removed: [String]
    /// Keys with another value than before, but of jobs added or removed.
    package let changedKeys: [String]
    /// Keys whose change takes a restart.
    package let needsRestart: [String]

    /// Whether nothing changes.
    package var isEmpty: Bool { added.isEmpty && removed.isEmpty && changedKeys.isEmpty }

    /// In words, for the journal.
    package var sentence: String {
        var parts: [String] = []
        if !added.isEmpty { parts.append("added \(added.joined(separator: ", "))") }
        if !removed.isEmpty { parts.append("removed \(removed.joined(separator: ", "))") }
        if !changedKeys.isEmpty { parts.append("changed \(changedKeys.joined(separator: ", "))") }
        return parts.isEmpty ? "nothing changed" : parts.joined(separator: "; ")
    }
}

extension Configuration {
    /// What is different in another configuration.
    package func changes(to other: Configuration) -> ConfigurationChanges {
        let mine = Set(jobs.map(\.name))
        let theirs = Set(other.jobs.map(\.name))
        let onOneSide = mine.symmetricDifference(theirs)
        let changed = Set(values.keys).union(other.values.keys).filter { values[$0] != other.values[$0] }
            .filter { key in !onOneSide.contains { key.hasPrefix("jobs.\($0).") } }.sorted()
        return ConfigurationChanges(
            added: theirs.subtracting(mine).sorted(), removed: mine.subtracting(theirs).sorted(), changedKeys: changed,
            needsRestart: changed.filter { ["state_directory", "log_level", "coordination"].contains($0) })
    }
}
