/// A cron expression in a time zone: when something is due, as instants.
package struct ZonedSchedule: Hashable, Sendable {
    /// A gap in local time that is longer than this is a day that did not exist, and nothing in it is made up for.
    static let longestGapMadeUp = 3 * 3600

    /// The expression.
    package let expression: CronExpression
    /// The zone whose wall clock it means.
    package let zone: ZoneRules

    /// An expression in a zone.
    package init(expression: CronExpression, zone: ZoneRules) {
        self.expression = expression
        self.zone = zone
    }

    /// The first fire after an instant, strictly; `nil` if there is none before the year 10000.
    package func next(after instant: Instant) -> Instant? {
        var steps = 0
        return next(after: instant, steps: &steps)
    }

    /// The first fire after an instant, strictly; `nil` if there is none before the year 10000.
    ///
    /// - Parameter steps: counts the months and the stretches of constant offset that were looked at, so that the work can
    ///   be bounded whatever machine it is done on. No schedule takes more than a few hundred.
    package func next(after instant: Instant, steps: inout Int) -> Instant? {
        let second = instant.secondsSinceEpoch
        let found: Int64?
        if let every = expression.every {
            found = (floorDivide(second, every) + 1) * every
        } else if expression.scheduleClass == .interval {
            found = nextInterval(after: second, steps: &steps)
        } else {
            found = nextFixed(after: second, steps: &steps)
        }
        return found.map(Instant.init(secondsSinceEpoch:))
    }

    /// The last fire in (after, through]; `nil` if there is none.
    package func latest(after: Instant, through: Instant) -> Instant? {
        guard after < through, let first = next(after: after), first <= through else { return nil }
        // Halves the time in which it may be, so that the work depends neither on the distance nor on how dense the
        // fires are. There is a fire at `low`, and none after `high`.
        var low = first.secondsSinceEpoch
        var high = through.secondsSinceEpoch
        while low < high {
            let middle = low + (high - low) / 2
            if let fire = next(after: Instant(secondsSinceEpoch: middle)), fire <= through {
                low = fire.secondsSinceEpoch
            } else {
                high = middle
            }
        }
        return Instant(secondsSinceEpoch: low)
    }

    /// How many fires there are in (after, through], up to a limit.
    package func count(after: Instant, through: Instant, limit: Int) -> Int {
        var count = 0
        var last = after
        while count < limit, let fire = next(after: last), fire <= through {
            count += 1
            last = fire
        }
        return count
    }

    /// Follows the wall clock along real time: local times that do not exist do not fire, repeated ones fire twice.
    private func nextInterval(after second: Int64, steps: inout Int) -> Int64? {
        var segment = zone.segment(at: second + 1)
        var local = second + 1 + Int64(segment.offset)
        // No time on the wall in [searched, match) matches.
        var searched = local
        guard var match = expression.firstMatch(notBefore: local, steps: &steps) else { return nil }
        while true {
            let candidate = match - Int64(segment.offset)
            if candidate < segment.end { return candidate }
            steps += 1
            let end = segment.end
            segment = zone.segment(at: end)
            local = end + Int64(segment.offset)
            // A clock that is set back shows times again that were passed before; one that is set forward may pass over
            // the match. Otherwise the match stands, however many stretches lie between.
            if local < searched || local > match {
                guard let next = expression.firstMatch(notBefore: local, steps: &steps) else { return nil }
                (searched, match) = (local, next)
            }
        }
    }

    /// Fires once a local day for each time: behind a gap at its end, in a repeated hour on the first pass.
    private func nextFixed(after second: Int64, steps: inout Int) -> Int64? {
        let segment = zone.segment(at: second)
        var local = second + Int64(segment.offset) + 1
        // On the second pass of repeated times, all of them have had their first.
        if segment.start > second - 2 * 86400 {
            local = max(local, segment.start + Int64(zone.segment(at: segment.start - 1).offset))
        }
        while let match = expression.firstMatch(notBefore: local, steps: &steps) {
            switch zone.resolve(local: match) {
            case .exists(let fire) where fire > second: return fire
            case .exists: local = match + 1
            case .gap(let end, let length):
                if length <= Self.longestGapMadeUp, end > second { return end }
                local = max(match + 1, end + Int64(zone.segment(at: end).offset))
            }
            steps += 1
        }
        return nil
    }
}
