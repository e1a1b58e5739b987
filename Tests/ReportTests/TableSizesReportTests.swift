import Foundation
import History
import Report
import Schedule
import TestSupport
import Testing

@Suite("The report of table sizes")
struct TableSizesReportTests {
    let now = Instant(secondsSinceEpoch: 1_800_000_000)

    func sample(_ age: Duration, _ bytes: Int64) -> SizeSample {
        let table = RelationSize(
            schema: "public", name: "a", heap: bytes, indexes: 20, toast: 3, liveRows: 1, deadRows: 0)
        let fresh = RelationSize(schema: "public", name: "new", heap: 1, indexes: 0, toast: 0, liveRows: 0, deadRows: 0)
        return SizeSample(
            database: "main", takenAt: now - age, databaseBytes: bytes * 2, relations: age == .zero ? [fresh, table] : [table])
    }

    @Test("tells how much each table has grown since a day and a week ago, the largest first")
    func change() {
        let lines = RunReports.sizes(sample(.zero, 1000), day: sample(.seconds(86400), 900), week: sample(.seconds(604800), 1300))
        #expect(lines.map(\.size.name) == ["a", "new"])
        #expect(lines.map(\.sinceDay) == [100, nil])
        #expect(lines.map(\.sinceWeek) == [-300, nil])
        let text = RunReports.table(sample(.zero, 1000), lines, zone: .utc)
        #expect(text.contains("+100 B") && text.contains("-300 B"), "\(text)")
    }

    @Test(
        "compares with the sample of about that long ago, also if that run was a little late, and with none of another time",
        arguments: [
            ([23.9, 47.9], 23.9), ([24, 25], 24), ([20, 30], 30), ([20, 49], nil), ([1, 23], nil), ([], nil),
        ] as [([Double], Double?)])
    func reference(hours: [Double], chosen: Double?) async throws {
        let folder = try TemporaryFolder("history")
        let history = try History(path: folder.path("history.db"))
        for age in hours { try await history.record(sample(.seconds(age * 3600), 1)) }
        let found = try await RunReports.sample(.seconds(86400), before: sample(.zero, 1), in: history)
        #expect(found?.takenAt == chosen.map { now - .seconds($0 * 3600) })
    }
}
