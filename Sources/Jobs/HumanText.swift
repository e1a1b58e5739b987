import Schedule

/// Numbers as people read them in the journal, on the terminal and in reports.
package enum HumanText {
    /// A size in binary units: `812 B`, `14.2 MiB`, `1.36 GiB`.
    package static func bytes(_ bytes: Int64) -> String {
        let names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var unit = 0
        var value = Double(bytes.magnitude)
        while value >= 1023.95, unit < names.count - 1 {
            value /= 1024
            unit += 1
        }
        let sign = bytes < 0 ? "-" : ""
        guard unit > 0 else { return "\(sign)\(bytes.magnitude) B" }
        return "\(sign)\(decimal(value, digits: value < 9.995 ? 2 : value < 99.95 ? 1 : 0)) \(names[unit])"
    }

    /// A whole number with its thousands apart: `2,000,000`.
    package static func count(_ number: Int64) -> String {
        var groups: [String] = []
        var rest = String(number.magnitude)
        while rest.count > 3 {
            groups.insert(String(rest.suffix(3)), at: 0)
            rest.removeLast(3)
        }
        groups.insert(rest, at: 0)
        return (number < 0 ? "-" : "") + groups.joined(separator: ",")
    }

    /// A number of things: `1 row`, `2,000 rows`.
    package static func count(_ number: Int64, _ singular: String, _ plural: String? = nil) -> String {
        "\(count(number)) \(number == 1 ? singular : plural ?? singular + "s")"
    }

    /// How long something took, to two parts at most: `450 ms`, `3.2 s`, `6 min 40 s`, `2 d 3 h`.
    package static func duration(_ duration: Duration) -> String {
        let milliseconds = duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000
        if milliseconds < 0 { return "-" + self.duration(.zero - duration) }
        if milliseconds < 1000 { return "\(milliseconds) ms" }
        if milliseconds < 60_000 { return "\(decimal(Double(milliseconds) / 1000, digits: 1)) s" }
        let seconds = milliseconds / 1000
        if seconds < 3600 { return parts(seconds / 60, "min", seconds % 60, "s") }
        if seconds < 86400 { return parts(seconds / 3600, "h", seconds % 3600 / 60, "min") }
        return parts(seconds / 86400, "d", seconds % 86400 / 3600, "h")
    }

    /// A number with that many digits behind the point, rounded to nearest.
    package static func decimal(_ value: Double, digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int64((value.magnitude * scale).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard digits > 0 else { return sign + count(scaled) }
        let fraction = String(scaled % Int64(scale))
        return "\(sign)\(count(scaled / Int64(scale))).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
    }

    private static func parts(_ first: Int64, _ firstUnit: String, _ second: Int64, _ secondUnit: String) -> String {
        second == 0 ? "\(first) \(firstUnit)" : "\(first) \(firstUnit) \(second) \(secondUnit)"
    }
}
