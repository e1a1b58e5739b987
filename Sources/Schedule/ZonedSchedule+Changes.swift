/// A change of a zone's offset.
package struct ZoneChange: Hashable, Sendable {
    /// The first instant with the new offset.
    package let at: Instant
    /// Seconds east of UTC before it.
    package let offsetBefore: Int
    /// Seconds east of UTC from it on.
    package let offsetAfter: Int

    /// The times on the wall, as seconds as if it were UTC, that a clock set forward never shows.
    var gap: Range<Int64>? { offsetAfter > offsetBefore ? wall(offsetBefore)..<wall(offsetAfter) : nil }

    /// The times on the wall, as seconds as if it were UTC, that a clock set back shows twice.
    var overlap: Range<Int64>? { offsetAfter < offsetBefore ? wall(offsetAfter)..<wall(offsetBefore) : nil }

    /// The time on the wall just before the change, or rather what it would have shown without: `2026-03-29 01:00:00`.
    package var wallBefore: String { ZonedSchedule.wallTime(wall(offsetBefore)) }

    /// The time on the wall that the change leads to: `2026-03-29 02:00:00`.
    package var wallAfter: String { ZonedSchedule.wallTime(wall(offsetAfter)) }

    private func wall(_ offset: Int) -> Int64 { at.secondsSinceEpoch + Int64(offset) }
}

/// A fire of a fixed schedule whose time on the wall was in a gap that is not made up for: a day that did not exist.
package struct NonexistentFire: Hashable, Sendable {
    /// The time on the wall that there never was: `2011-12-30 12:00:00`.
    package let wallTime: String
    /// The first instant after the gap.
    package let gapEnd: Instant
}

/// What a change of the zone's offset does to a schedule.
package struct ZoneChangeEffect: Hashable, Sendable {
    /// What becomes of fires.
    package enum Kind: String, Hashable, Sendable {
        /// Nothing: none is near, or real time is what counts.
        case none
        /// One in the gap comes at the gap's end.
        case moved
        /// Several in the gap, or one and that at its end, are one fire at the gap's end.
        case merged
        /// Those in the gap do not come.
        case skipped
        /// Those of the repeated time come on the first pass alone.
        case once
        /// Those of the repeated time come on both passes.
        case doubled
    }

    /// The change.
    package let change: ZoneChange
    /// What becomes of fires.
    package let kind: Kind
    /// How many times on the wall it happens to.
    package let count: Int
    /// The first of them: `2026-03-29 01:30:00`.
    package let firstWallTime: String?
    /// The last of them.
    package let lastWallTime: String?
    /// The fires that come of them, in order.
    package let fires: [Instant]
}

extension ZoneRules {
    /// The changes of the offset in (after, through].
    package func changes(after: Instant, through: Instant) -> [ZoneChange] {
        transitions(after: after, through: through).map {
            ZoneChange(at: $0.at, offsetBefore: $0.before.offset, offsetAfter: $0.after.offset)
        }
    }
}

extension ZonedSchedule {
    /// No gap has more seconds: a calendar day and a little.
    private static let longestGap = 2 * 86400

    static func wallTime(_ local: Int64) -> String { Instant(secondsSinceEpoch: local).wallTime(in: .utc) }

    /// The fires that had no time on the wall to come at and are not made up for, with a gap's end in (after, through].
    ///
    /// A schedule that is an interval follows real time and has none.
    package func nonexistent(after: Instant, through: Instant) -> [NonexistentFire] {
        guard expression.scheduleClass == .fixed else { return [] }
        return zone.changes(after: after, through: through).flatMap { change -> [NonexistentFire] in
            guard let gap = change.gap, gap.count > Self.longestGapMadeUp else { return [] }
            return expression.matches(in: gap, limit: Self.longestGap).map {
                NonexistentFire(wallTime: Self.wallTime($0), gapEnd: change.at)
            }
        }
    }

    /// What each change of the zone's offset in (after, through] does to this schedule.
    package func effectsOfChanges(after: Instant, through: Instant) -> [ZoneChangeEffect] {
        zone.changes(after: after, through: through).map(effect)
    }

    private func effect(of change: ZoneChange) -> ZoneChangeEffect {
        guard expression.every == nil, let range = change.gap ?? change.overlap else {
            return effect(of: change, .none, [], fires: [])
        }
        let times = expression.matches(in: range, limit: Self.longestGap)
        guard !times.isEmpty else { return effect(of: change, .none, [], fires: []) }
        let isFixed = expression.scheduleClass == .fixed
        if change.gap != nil {
            guard isFixed, range.count <= Self.longestGapMadeUp else { return effect(of: change, .skipped, times, fires: []) }
            let meetsAnother = !expression.matches(in: range.upperBound..<range.upperBound + 1, limit: 1).isEmpty
            return effect(of: change, times.count > 1 || meetsAnother ? .merged : .moved, times, fires: [change.at])
        }
        let first = times.map { Instant(secondsSinceEpoch: $0 - Int64(change.offsetBefore)) }
        guard !isFixed else { return effect(of: change, .once, times, fires: first) }
        let second = times.map { Instant(secondsSinceEpoch: $0 - Int64(change.offsetAfter)) }
        return effect(of: change, .doubled, times, fires: (first + second).sorted())
    }

    private func effect(
        of change: ZoneChange, _ kind: ZoneChangeEffect.Kind, _ times: [Int64], fires: [Instant]
    ) -> ZoneChangeEffect {
        ZoneChangeEffect(
            change: change, kind: kind, count: times.count, firstWallTime: times.first.map(Self.wallTime),
            lastWallTime: times.last.map(Self.wallTime), fires: fires)
    }
}
