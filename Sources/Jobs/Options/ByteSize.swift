/// Sizes in bytes as the configuration writes them: `"500MiB"`, `"2GB"`, `"1048576B"`.
package enum ByteSize {
    /// Decimal units by SI, binary units by IEC 80000-13; upper and lower case are told apart as little as people do.
    private static let units: [(name: String, bytes: Int64)] = [
        ("b", 1), ("kb", 1000), ("mb", 1_000_000), ("gb", 1_000_000_000), ("tb", 1_000_000_000_000),
        ("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("tib", 1 << 40),
    ]

    /// Reads a size; `nil` if it has no unit, a fraction of a byte, a sign, or more than 2^63 bytes.
    package static func parse(_ text: String) -> Int64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        guard let count = Int64(digits), let factor = units.first(where: { $0.name == unit })?.bytes else { return nil }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: factor)
        return overflow ? nil : bytes
    }
}
