import Jobs

/// What several runs of one contestant came to, in seconds.
struct Times: Sendable {
    private(set) var seconds: [Double] = []

    mutating func add(_ duration: Duration) { seconds.append(duration / .seconds(1)) }

    /// The shortest: what a busy machine falsifies least. Ratios are taken of it.
    var shortest: Double { seconds.min() ?? .nan }
    var median: Double { Percentile.of(seconds, 50) }
    var longest: Double { seconds.max() ?? .nan }
}

/// Percentiles by nearest rank: a value that was measured, never one in between.
enum Percentile {
    static func of(_ values: [Double], _ percent: Double) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return .nan }
        let rank = Int((percent / 100 * Double(sorted.count)).rounded(.up))
        return sorted[min(max(rank, 1), sorted.count) - 1]
    }
}

/// Numbers for the tables.
enum Number {
    static func seconds(_ value: Double) -> String { value.isFinite ? "\(HumanText.decimal(value, digits: 2)) s" : "–" }

    static func milliseconds(_ value: Double) -> String { value.isFinite ? "\(HumanText.decimal(value, digits: 1)) ms" : "–" }

    static func microseconds(_ value: Double) -> String { value.isFinite ? "\(HumanText.decimal(value, digits: 2)) µs" : "–" }

    static func ratio(_ value: Double) -> String { value.isFinite ? "\(HumanText.decimal(value, digits: 2)) ×" : "–" }

    static func plain(_ value: Double) -> String { value.isFinite ? HumanText.decimal(value, digits: 1) : "–" }

    static func megabytes(_ bytes: Int64) -> String { "\(HumanText.decimal(Double(bytes) / 1e6, digits: 1)) MB" }
}
