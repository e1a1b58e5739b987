/// Durations as the configuration writes them: `"90d"`, `"1h30m"`, `"250ms"`, `"2w"`. A day is 24 hours.
package enum DurationText {
    private static let units: [(name: String, milliseconds: Int64)] = [
        ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
    ]

    /// Reads a duration: one or more counts with units, the larger unit first; `nil` for anything else, zero included.
    package static func parse(_ text: String) -> Duration? {
        var rest = Substring(text)
        var total: Int64 = 0
        var nextUnit = 0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            let letters = rest.prefix { $0.isASCII && $0.isLetter }
            rest = rest.dropFirst(letters.count)
            guard let count = Int64(digits), let unit = units.firstIndex(where: { $0.name == letters }), unit >= nextUnit
            else { return nil }
            nextUnit = unit + 1
            let (part, tooMuch) = count.multipliedReportingOverflow(by: units[unit].milliseconds)
            let (sum, overflow) = total.addingReportingOverflow(part)
            guard !tooMuch, !overflow, sum < 1 << 53 else { return nil }
            total = sum
        }
        return total > 0 ? .milliseconds(total) : nil
    }

    /// Writes a duration in the fewest units that are exact to the millisecond; weeks are written as days.
    package static func format(_ duration: Duration) -> String {
        var rest = duration.wholeMicroseconds / 1000
        guard rest > 0 else { return "0s" }
        var text = ""
        for unit in units.dropFirst() where rest >= unit.milliseconds {
            text += "\(rest / unit.milliseconds)\(unit.name)"
            rest %= unit.milliseconds
        }
        return text
    }
}
