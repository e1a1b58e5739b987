/// A point in time, in microseconds since 1970-01-01T00:00:00Z without leap seconds, as PostgreSQL and the journal count.
package struct Instant: Hashable, Comparable, Sendable {
    /// Microseconds since the epoch.
    package var microsecondsSinceEpoch: Int64

    /// An instant in microseconds.
    package init(microsecondsSinceEpoch: Int64) {
        self.microsecondsSinceEpoch = microsecondsSinceEpoch
    }

    /// An instant in whole seconds.
    package init(secondsSinceEpoch: Int64) {
        microsecondsSinceEpoch = secondsSinceEpoch * 1_000_000
    }

    /// Whole seconds since the epoch, rounded down.
    package var secondsSinceEpoch: Int64 { floorDivide(microsecondsSinceEpoch, 1_000_000) }

    /// The earlier first.
    package static func < (left: Instant, right: Instant) -> Bool {
        left.microsecondsSinceEpoch < right.microsecondsSinceEpoch
    }

    /// An instant later by a duration; fractions of a microsecond are dropped.
    package static func + (left: Instant, right: Duration) -> Instant {
        Instant(microsecondsSinceEpoch: left.microsecondsSinceEpoch + right.wholeMicroseconds)
    }

    /// An instant earlier by a duration.
    package static func - (left: Instant, right: Duration) -> Instant {
        Instant(microsecondsSinceEpoch: left.microsecondsSinceEpoch - right.wholeMicroseconds)
    }

    /// The time from one instant to another.
    package static func - (left: Instant, right: Instant) -> Duration {
        .microseconds(left.microsecondsSinceEpoch - right.microsecondsSinceEpoch)
    }
}

extension Duration {
    /// Whole microseconds, rounded towards zero.
    package var wholeMicroseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }
}

/// Division that rounds down, also below zero.
func floorDivide(_ dividend: Int64, _ divisor: Int64) -> Int64 {
    let quotient = dividend / divisor
    return dividend % divisor != 0 && (dividend < 0) != (divisor < 0) ? quotient - 1 : quotient
}

extension Instant: CustomStringConvertible, Codable {
    /// RFC 3339 in UTC; a fraction only where there is one.
    package var rfc3339: String { text(offset: 0, zone: "Z") }

    /// RFC 3339 in UTC.
    package var description: String { rfc3339 }

    /// RFC 3339 with the zone's offset at this instant; offsets are cut to minutes, as RFC 3339 knows no seconds there.
    package func rfc3339(in zone: ZoneRules) -> String {
        let offset = zone.offset(at: self).seconds
        let minutes = abs(offset) / 60
        return text(offset: Int64(offset), zone: "\(offset < 0 ? "-" : "+")\(padded(minutes / 60)):\(padded(minutes % 60))")
    }

    /// The time on the wall in a zone, for people: `2026-03-29 02:00:00`.
    package func wallTime(in zone: ZoneRules) -> String {
        let text = rfc3339(in: zone)
        return text.prefix(10) + " " + text.dropFirst(11).prefix(8)
    }

    /// Reads RFC 3339 with any offset and an optional fraction (RFC 3339, section 5.6).
    package init?(rfc3339 text: String) {
        let bytes = Array(text.utf8)
        func number(_ start: Int, _ count: Int) -> Int? {
            guard start + count <= bytes.count else { return nil }
            var value = 0
            for byte in bytes[start..<start + count] {
                guard (48...57).contains(byte) else { return nil }
                value = value * 10 + Int(byte) - 48
            }
            return value
        }
        func at(_ index: Int, _ characters: String) -> Bool {
            index < bytes.count && characters.utf8.contains(bytes[index])
        }
        guard let year = number(0, 4), at(4, "-"), let month = number(5, 2), at(7, "-"), let day = number(8, 2),
            at(10, "Tt "), let hour = number(11, 2), at(13, ":"), let minute = number(14, 2), at(16, ":"),
            let second = number(17, 2), (1...12).contains(month), (1...Civil.daysIn(month: month, of: year)).contains(day),
            hour < 24, minute < 60, second < 61
        else { return nil }
        var index = 19
        var fraction: Int64 = 0
        if at(index, ".") {
            index += 1
            var scale: Int64 = 100_000
            let start = index
            while index < bytes.count, (48...57).contains(bytes[index]) {
                fraction += Int64(bytes[index] - 48) * scale
                scale /= 10
                index += 1
            }
            guard index > start else { return nil }
        }
        var offset = 0
        if at(index, "Zz") {
            index += 1
        } else {
            guard at(index, "+-"), let hours = number(index + 1, 2), at(index + 3, ":"), let minutes = number(index + 4, 2),
                hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 60 + minutes) * 60 * (bytes[index] == 45 ? -1 : 1)
            index += 6
        }
        guard index == bytes.count else { return nil }
        let days = Civil.days(year: year, month: month, day: day)
        let seconds = days * 86400 + Int64(hour * 3600 + minute * 60 + second - offset)
        self.init(microsecondsSinceEpoch: seconds * 1_000_000 + fraction)
    }

    private func text(offset: Int64, zone: String) -> String {
        let seconds = secondsSinceEpoch + offset
        let days = floorDivide(seconds, 86400)
        let time = Int(seconds - days * 86400)
        let date = Civil.date(days: days)
        var year = String(date.year)
        while year.utf8.count < 4 { year = "0" + year }
        let micro = Int(microsecondsSinceEpoch - secondsSinceEpoch * 1_000_000)
        var fraction = ""
        if micro != 0 {
            fraction = String(micro + 1_000_000).dropFirst().description
            while fraction.hasSuffix("0") { fraction.removeLast() }
            fraction = "." + fraction
        }
        return
            "\(year)-\(padded(date.month))-\(padded(date.day))T\(padded(time / 3600)):\(padded(time / 60 % 60)):\(padded(time % 60))\(fraction)\(zone)"
    }

    private func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// From RFC 3339.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let instant = Instant(rfc3339: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an RFC 3339 instant")
        }
        self = instant
    }

    /// As RFC 3339 in UTC.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rfc3339)
    }
}

/// The proleptic Gregorian calendar, in days since 1970-01-01.
package enum Civil {
    /// Whether a year has a 29 February.
    package static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    /// How many days a month has.
    package static func daysIn(month: Int, of year: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// The day's number. The year is counted from March, so that the leap day comes last.
    package static func days(year: Int, month: Int, day: Int) -> Int64 {
        let year = Int64(month <= 2 ? year - 1 : year)
        let era = floorDivide(year, 400)
        let yearOfEra = year - era * 400
        let monthFromMarch = Int64((month + 9) % 12)
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + Int64(day) - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// The date of a day's number.
    package static func date(days: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = Int(dayOfYear - (153 * monthFromMarch + 2) / 5) + 1
        let month = Int(monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9)
        return (Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0), month, day)
    }

    /// The weekday of a day's number, Sunday being 0.
    package static func weekday(days: Int64) -> Int {
        let rest = (days + 4) % 7
        return Int(rest < 0 ? rest + 7 : rest)
    }
}
