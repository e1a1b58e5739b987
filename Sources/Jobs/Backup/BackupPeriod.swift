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
        let date = Self.civil(days)
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
        // 1970-01-01, day 0, was a Thursday.
        let weekday = ((days + 3) % 7 + 7) % 7
        let thursday = days - weekday + 3
        let year = civil(thursday).year
        var first = thursday
        while civil(first - 7).year == year { first -= 7 }
        return "\(year)-W\(two((thursday - first) / 7 + 1))"
    }

    /// The date of a day counted from 1970-01-01, in the proleptic Gregorian calendar: years begin in March here, so that the leap day
    /// comes last, and repeat every 400 years, which are 146,097 days.
    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }

    private static func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
