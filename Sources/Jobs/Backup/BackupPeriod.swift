import Schedule

/// A day, week, month or year of some zone's calendar, for putting backups into buckets.
package struct BackupPeriod: Sendable, Hashable, CustomStringConvertible {
    /// What kinds there are.
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        case daily, weekly, monthly, yearly
    }

    /// The kind of period.
    package let kind: Kind
    /// `2026-11-24`, `2026-W48` (ISO 8601), `2026-11` or `2026`.
    package let description: String

    /// The period in which an instant lies.
    package init(_ kind: Kind, containing instant: Instant, in zone: ZoneRules) {
        self.kind = kind
        let local = instant.secondsSinceEpoch + Int64(zone.offset(at: instant).seconds)
        let days = local >= 0 ? local / 86_400 : (local - 86_399) / 86_400
        let date = Civil.date(days: days)
        description =
            switch kind {
            case .daily: "\(date.year)-\(Self.two(date.month))-\(Self.two(date.day))"
            case .weekly: Self.week(days)
            case .monthly: "\(date.year)-\(Self.two(date.month))"
            case .yearly: "\(date.year)"
            }
    }

    /// The ISO 8601 week: the one that a date's Thursday lies in, counted in that Thursday's year.
    private static func week(_ days: Int64) -> String {
        let daysSinceMonday = Int64((Civil.weekday(days: days) + 6) % 7)
        let thursday = days - daysSinceMonday + 3
        let year = Civil.date(days: thursday).year
        return "\(year)-W\(two(Int((thursday - Civil.days(year: year, month: 1, day: 1)) / 7) + 1))"
    }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
