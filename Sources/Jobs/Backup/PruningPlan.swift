import Schedule

/// Which backups of one job and database go, and why the others stay: decided from values alone, before anything is deleted.
package struct PruningPlan: Sendable, Hashable {
    /// Why a backup stays.
    package enum Reason: Sendable, Hashable, CustomStringConvertible {
        /// It is the newest good one, which is never deleted, whatever the policy says.
        case newestGood
        /// One of the newest; this is its place, from 1.
        case last(Int)
        /// The newest of a period.
        case period(BackupPeriod)
        /// Nothing is deleted at all at the moment.
        case onHold

        /// The reason in a few words: `newest`, `last 2`, `daily 2026-11-24`.
        package var description: String {
            switch self {
            case .newestGood: "newest"
            case .last(let place): "last \(place)"
            case .period(let period): "\(period.kind.rawValue) \(period)"
            case .onHold: "on hold"
            }
        }
    }

    /// What becomes of one backup.
    package struct Decision: Sendable, Hashable {
        /// The backup.
        package let backup: Backup
        /// Why it stays; empty if it goes.
        package let reasons: [Reason]

        /// Whether it stays.
        package var isKept: Bool { !reasons.isEmpty }
    }

    /// Why nothing is deleted although the policy would.
    package enum Hold: Sendable, Hashable, CustomStringConvertible {
        /// A backup is dated later than now: this clock or the one that made it is wrong.
        case backupFromTheFuture(id: String, startedAt: Instant)
        /// The host's clock and the server's are too far apart.
        case clocksDisagree(Duration)

        /// The reason, lower case, no final stop.
        package var description: String {
            switch self {
            case .backupFromTheFuture(let id, let startedAt):
                "backup \(id) is dated \(startedAt), which is yet to come; nothing is pruned until the clock or the backup is put right"
            case .clocksDisagree(let difference):
                "the clocks of this host and of the database server are \(HumanText.duration(difference)) apart; nothing is pruned until they agree"
            }
        }
    }

    /// How far a backup may be dated in the future: as much as a clock is set back in the ordinary course of keeping it right.
    package static let tolerance: Duration = .seconds(60)
    /// How far the clocks of host and server may be apart.
    package static let clockTolerance: Duration = .seconds(3600)

    /// What becomes of each backup, the newest first.
    package let decisions: [Decision]
    /// Why nothing is deleted, if so.
    package let hold: Hold?

    /// What goes, the oldest first: should the deleting be interrupted, the newer ones are still there.
    package var removals: [Backup] { decisions.filter { !$0.isKept }.map(\.backup).reversed() }

    /// What stays, the newest first.
    package var kept: [Backup] { decisions.filter(\.isKept).map(\.backup) }

    /// Decides.
    ///
    /// A period is counted only if it has a backup, so that backups do not go because none were made for a while. Damaged backups are
    /// not among `backups`: they fill no slot, and nobody but a person deletes them.
    ///
    /// - Parameters:
    ///   - backups: the complete backups of one job and database, in any order.
    ///   - zone: whose calendar says what a day is.
    ///   - clockDifference: how far the clock of the database server is from ours, where somebody has looked.
    package init(
        backups: [Backup], policy: PruningPolicy, zone: ZoneRules, now: Instant, clockDifference: Duration = .zero
    ) {
        let newestFirst = backups.sorted(by: Backup.isNewer)
        let difference = clockDifference < .zero ? .zero - clockDifference : clockDifference
        if difference > Self.clockTolerance {
            hold = .clocksDisagree(difference)
        } else if let early = newestFirst.first, early.manifest.startedAt > now + Self.tolerance {
            hold = .backupFromTheFuture(id: early.id, startedAt: early.manifest.startedAt)
        } else {
            hold = nil
        }
        var reasons: [[Reason]] = newestFirst.map { _ in [] }
        if !newestFirst.isEmpty { reasons[0].append(.newestGood) }
        for index in newestFirst.indices.prefix(max(0, policy.last)) { reasons[index].append(.last(index + 1)) }
        for (kind, count) in policy.periods {
            var seen: Set<BackupPeriod> = []
            for (index, backup) in newestFirst.enumerated() where seen.count < count {
                let period = BackupPeriod(kind, containing: backup.manifest.startedAt, in: zone)
                if seen.insert(period).inserted { reasons[index].append(.period(period)) }
            }
        }
        if hold != nil {
            for index in reasons.indices where reasons[index].isEmpty { reasons[index] = [.onHold] }
        }
        decisions = zip(newestFirst, reasons).map { Decision(backup: $0, reasons: $1) }
    }
}

extension PruningPolicy {
    /// How many of each kind of period.
    fileprivate var periods: [(BackupPeriod.Kind, Int)] {
        [(.daily, daily), (.weekly, weekly), (.monthly, monthly), (.yearly, yearly)]
    }
}
