import History
import Postgres
import Schedule
import Testing

@testable import Jobs

@Suite("SizeThresholds") struct SizeThresholdsTests {
    private static let now = Instant(secondsSinceEpoch: 1_800_000_000)

    private func sample(hoursAgo: Double, _ sizes: [String: Int64] = [:]) -> SizeSample {
        SizeSample(
            database: "main", takenAt: Self.now - .seconds(hoursAgo * 3600), databaseBytes: 1,
            relations: sizes.sorted { $0.key < $1.key }.map {
                RelationSize(schema: "public", name: $0.key, heap: $0.value - 2, indexes: 1, toast: 1, liveRows: 0, deadRows: 0)
            })
    }

    private func names(_ judgement: SizeThresholds.Judgement) -> [String] { judgement.crossings.map(\.name) }

    @Test(
        "of the samples that a run finds it takes the one that is nearest to a day before, and none that is too young",
        arguments: [
            ([25, 24.01, 23.9, 20.1], 24.01), ([48, 23.9], 23.9), ([48, 21], 21), ([72], 72), ([19.9, 1], nil), ([], nil),
            ([26, 19], 26),
        ] as [([Double], Double?)])
    func reference(ages: [Double], chosen: Double?) {
        let samples = ages.map { sample(hoursAgo: $0) }
        #expect(
            SizeThresholds.reference(for: Self.now, among: samples + [nil])?.takenAt == chosen.map { sample(hoursAgo: $0).takenAt })
    }

    @Test(
        "growth is that of a day, whatever the time between",
        arguments: [(24, 100), (72, 300), (20, 84), (720, 3000)] as [(Double, Int64)])
    func growth(hours: Double, grown: Int64) {
        let thresholds = SizeThresholds(size: nil, growthPerDay: 100)
        let earlier = sample(hoursAgo: hours, ["events": 1000])
        #expect(
            names(thresholds.judgement(of: sample(hoursAgo: 0, ["events": 1000 + grown]), since: earlier)) == [
                "public.events growth"
            ])
        #expect(names(thresholds.judgement(of: sample(hoursAgo: 0, ["events": 1000 + grown - 4]), since: earlier)).isEmpty)
    }

    @Test("a threshold is crossed by the size that it names, and the message tells both")
    func size() {
        let judgement = SizeThresholds(size: 2048, growthPerDay: nil).judgement(
            of: sample(hoursAgo: 0, ["a": 2047, "B.c": 2048]), since: nil)
        #expect(judgement.crossings.map(\.message) == [#"public."B.c" has 2.00 KiB, the threshold is 2.00 KiB"#])
        #expect(judgement.undecided.isEmpty)
    }

    @Test("what a sample says nothing of stays as it was: a table that was held, one without an earlier size, a gap")
    func undecided() {
        let thresholds = SizeThresholds(size: 1000, growthPerDay: 100)
        let held = QualifiedName(schema: "public", name: "held")
        let before: Set = ["public.held size", "public.held growth", "public.new growth", "public.gone size", "public.small size"]
        let judgement = thresholds.judgement(
            of: sample(hoursAgo: 0, ["new": 10, "small": 10]), since: sample(hoursAgo: 24, ["small": 10]), skipped: [held])
        #expect(judgement.crossings.isEmpty)
        #expect(judgement.crossed(before: before) == ["public.held size", "public.held growth", "public.new growth"])
        let blind = thresholds.judgement(of: sample(hoursAgo: 0, ["small": 10]), since: nil)
        #expect(blind.crossed(before: ["public.small growth"]) == ["public.small growth"])
        let soon = thresholds.judgement(of: sample(hoursAgo: 0, ["small": 900]), since: sample(hoursAgo: 19, ["small": 10]))
        #expect(soon.crossings.isEmpty && soon.undecided == ["public.small growth"])
    }
}
