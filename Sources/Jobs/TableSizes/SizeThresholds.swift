import History
import Postgres
import Schedule

/// Which thresholds a sample crosses: a pure decision.
package struct SizeThresholds: Sendable, Hashable {
    /// The growth of less time than this says nothing of a day's.
    package static let shortestInterval = Duration.seconds(20 * 3600)
    /// By how much a run may be early against the one of the day before and still be compared with it.
    package static let jitter = Duration.seconds(15 * 60)

    /// A threshold that is crossed.
    package struct Crossing: Sendable, Hashable {
        /// Names table and threshold, to know it again.
        package let name: String
        /// What a person should read.
        package let message: String
    }

    /// What a sample says of the thresholds.
    package struct Judgement: Sendable, Hashable {
        /// Those that are crossed.
        package var crossings: [Crossing] = []
        /// The names of those of which this sample says nothing: what they were before, they still are.
        package var undecided: Set<String> = []

        /// The names of the thresholds that are to be remembered as crossed.
        package func crossed(before: Set<String>) -> Set<String> {
            Set(crossings.map(\.name)).union(before.intersection(undecided))
        }
    }

    let size: Int64?
    let growthPerDay: Int64?

    /// Thresholds in bytes, and in bytes a day.
    package init(size: Int64?, growthPerDay: Int64?) {
        self.size = size
        self.growthPerDay = growthPerDay
    }

    /// Of two earlier samples the one to compare with: that which is nearer to a day ago, if it is old enough.
    ///
    /// A daily run is never exactly a day after the last; one that was caught up is hours off.
    package static func reference(for now: Instant, among samples: [SizeSample?]) -> SizeSample? {
        func distance(_ sample: SizeSample) -> Duration {
            let difference = now - sample.takenAt - .seconds(86400)
            return difference < .zero ? .zero - difference : difference
        }
        return samples.compactMap(\.self).filter { now - $0.takenAt >= shortestInterval }
            .min { distance($0) < distance($1) }
    }

    /// Judges a sample against one of about a day before.
    ///
    /// - Parameter skipped: the tables that could not be measured.
    package func judgement(
        of sample: SizeSample, since earlier: SizeSample?, skipped: [QualifiedName] = []
    ) -> Judgement {
        var judgement = Judgement()
        for name in skipped { judgement.undecided.formUnion([Self.sizeName(name), Self.growthName(name)]) }
        let before = Dictionary(
            (earlier?.relations ?? []).map { (QualifiedName($0), $0.total) }, uniquingKeysWith: { first, _ in first })
        for relation in sample.relations {
            let name = QualifiedName(relation)
            if let size, relation.total >= size {
                judgement.crossings.append(
                    Crossing(
                        name: Self.sizeName(name),
                        message: "\(name) has \(HumanText.bytes(relation.total)), the threshold is \(HumanText.bytes(size))"))
            }
            guard let growthPerDay else { continue }
            guard let earlier, let old = before[name], sample.takenAt - earlier.takenAt >= Self.shortestInterval else {
                judgement.undecided.insert(Self.growthName(name))
                continue
            }
            let interval = sample.takenAt - earlier.takenAt
            let perDay = Double(relation.total - old) * 86400 / (Double(interval.wholeMicroseconds) / 1e6)
            if perDay >= Double(growthPerDay) {
                judgement.crossings.append(
                    Crossing(
                        name: Self.growthName(name),
                        message:
                            "\(name) grows by \(HumanText.bytes(Int64(perDay))) a day, the threshold is \(HumanText.bytes(growthPerDay))"
                    ))
            }
        }
        return judgement
    }

    private static func sizeName(_ table: QualifiedName) -> String { "\(table) size" }
    private static func growthName(_ table: QualifiedName) -> String { "\(table) growth" }
}

extension QualifiedName {
    /// The name of a table that was measured.
    fileprivate init(_ relation: RelationSize) {
        self.init(schema: relation.schema, name: relation.name)
    }
}
