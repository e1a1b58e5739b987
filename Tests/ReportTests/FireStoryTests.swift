import History
import Report
import Schedule
import Testing

@Suite("The story of a fire")
struct FireStoryTests {
    let start = Instant(secondsSinceEpoch: 1_767_225_600)  // 2026-01-01T00:00:00Z
    let key = JobKey(job: "purge", database: "main")

    func story(_ instant: Instant, _ records: [RunRecord], firstSeen: Instant? = nil) throws -> FireStory {
        FireStory(
            key: key, isEnabled: true, schedule: ZonedSchedule(expression: try CronExpression("0 * * * *"), zone: .utc),
            instant: instant, records: records, firstSeen: firstSeen ?? start - .seconds(86400), now: start + .seconds(86400))
    }

    /// One record for the fires of 01:00 to 05:00.
    var missed: RunRecord {
        var record = RunRecord(
            id: "1", key: key, kind: "token-purge", trigger: .schedule, attempt: 1, scheduledAt: start + .seconds(5 * 3600),
            startedAt: start + .seconds(6 * 3600))
        record.endedAt = record.startedAt
        record.outcome = .skipped
        record.skipReason = .missed
        record.passed = PassedFires(first: start + .seconds(3600), count: 4)
        return record
    }

    @Test("a record that stands for many fires tells of each of them")
    func passed() throws {
        let told = try story(start + .seconds(2 * 3600), [missed])
        #expect(told.state == .skipped)
        #expect(told.sentence.contains("one record stands for 5 fires from 2026-01-01 01:00:00 to 2026-01-01 05:00:00"))
    }

    @Test("an instant between fires that share a record was never due, unless the schedule was another one then")
    func betweenPassed() throws {
        let between = start + .seconds(2 * 3600 + 60)
        let told = try story(between, [missed])
        #expect(told.state == .notDue)
        #expect(
            told.sentence.contains("not scheduled then; the fires around it are 2026-01-01 02:00:00 and 2026-01-01 03:00:00"))
        #expect(try story(between, [missed], firstSeen: start + .seconds(43200)).state == .skipped)
    }
}
