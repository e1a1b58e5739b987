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
        let second = instant.secondsSinceEpoch
        let found: Int64?
        if let every = expression.every {
            found = (floorDivide(second, every) + 1) * every
        } else if expression.scheduleClass == .interval {
            found = nextInterval(after: second)
        } else {
            found = nextFixed(after: second)
        }
        return found.map(Instant.init(secondsSinceEpoch:))
    }

    /// The last fire in (after, through]; `nil` if there is none.
    package func latest(after: Instant, through: Instant) -> Instant? {
        guard after < through else { return nil }
        // Looks back twice as far each time, so that the work depends on how dense the fires are, not on the distance.
        var window = Duration.seconds(60)
        while true {
            let start = max(after, through - window)
            if var fire = next(after: start), fire <= through {
                while let later = next(after: fire), later <= through { fire = later }
                return fire
            }
            guard start > after else { return nil }
            window = window * 2
        }
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
    private func nextInterval(after second: Int64) -> Int64? {
        var start = second + 1
        while true {
            let segment = zone.segment(at: start)
            let offset = Int64(segment.offset)
            guard let local = expression.firstMatch(notBefore: start + offset) else { return nil }
            let candidate = local - offset
            if candidate < segment.end { return candidate }
            // No local time before that one matches, so stretches of time that end well before it need no look.
            start = max(segment.end, candidate - 3 * 86400)
        }
    }

    /// Fires once a local day for each time: behind a gap at its end, in a repeated hour on the first pass.
    private func nextFixed(after second: Int64) -> Int64? {
        var local = second + Int64(zone.segment(at: second).offset) + 1
        while let match = expression.firstMatch(notBefore: local) {
            switch zone.resolve(local: match) {
            case .exists(let fire) where fire > second: return fire
            case .gap(let end, let length) where length <= Self.longestGapMadeUp && end > second: return end
            case .exists, .gap: local = match + 1
            }
        }
        return nil
    }
}
