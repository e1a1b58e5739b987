import History
import Schedule

/// Which thresholds a sample crosses: a pure decision.
package struct SizeThresholds: Sendable, Hashable {
    /// The growth of less time than this says nothing of a day's.
    package static let shortestInterval = Duration.seconds(20 * 3600)

    /// A threshold that is crossed.
    package struct Crossing: Sendable, Hashable {
        /// Names table and threshold, to know it again.
        package let name: String
        /// What a person should read.
        package let message: String
    }

    let size: Int64?
    let growthPerDay: Int64?

    /// Thresholds in bytes, and in bytes a day.
    package init(size: Int64?, growthPerDay: Int64?) {
        self.size = size
        self.growthPerDay = growthPerDay
    }

    /// The thresholds that a sample crosses, against one of about a day before.
    package func crossings(of sample: SizeSample, since earlier: SizeSample?) -> [Crossing] {
        var crossings: [Crossing] = []
        let before = Dictionary(
            (earlier?.relations ?? []).map { ("\($0.schema).\($0.name)", $0.total) }, uniquingKeysWith: { first, _ in first })
        for relation in sample.relations {
            let name = "\(relation.schema).\(relation.name)"
            if let size, relation.total >= size {
                crossings.append(
                    Crossing(
                        name: "\(name) size",
                        message: "\(name) has \(HumanText.bytes(relation.total)), the threshold is \(HumanText.bytes(size))"))
            }
            guard let growthPerDay, let earlier, let old = before[name] else { continue }
            let interval = sample.takenAt - earlier.takenAt
            guard interval >= Self.shortestInterval else { continue }
            let perDay = Double(relation.total - old) * 86400 / (Double(interval.wholeMicroseconds) / 1e6)
            if perDay >= Double(growthPerDay) {
                crossings.append(
                    Crossing(
                        name: "\(name) growth",
                        message:
                            "\(name) grows by \(HumanText.bytes(Int64(perDay))) a day, the threshold is \(HumanText.bytes(growthPerDay))"
                    ))
            }
        }
        return crossings
    }
}
