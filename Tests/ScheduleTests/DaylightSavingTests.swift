import Foundation
import Schedule
import Testing

/// A zone of the host's.
func zone(_ name: String) throws -> ZoneRules {
    try ZoneRules(identifier: name, tzif: [UInt8](Data(contentsOf: URL(fileURLWithPath: "/usr/share/zoneinfo/\(name)"))))
}

func schedule(_ text: String, _ name: String, days: CronExpression.DayRule = .vixie) throws -> ZonedSchedule {
    ZonedSchedule(expression: try CronExpression(text, days: days), zone: try zone(name))
}

func fires(_ schedule: ZonedSchedule, after: String, count: Int) throws -> [String] {
    var last = try #require(Instant(rfc3339: after))
    var found: [String] = []
    while found.count < count, let next = schedule.next(after: last) {
        #expect(next > last)
        found.append(next.rfc3339)
        last = next
    }
    return found
}

struct TimeCase: Sendable, CustomTestStringConvertible {
    let name: String
    let zone: String
    let expression: String
    let after: String
    let expected: [String]

    var testDescription: String { "\(name): \(expression) in \(zone)" }
}

@Suite("Daylight saving")
struct DaylightSavingTests {
    static let cases: [TimeCase] = [
        TimeCase(
            name: "a gap fires at its end", zone: "America/New_York", expression: "30 2 * * *", after: "2026-03-07T17:00:00Z",
            expected: ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]),
        TimeCase(
            name: "two times in one gap are one fire", zone: "America/New_York", expression: "0,30 2 * * *",
            after: "2026-03-08T05:00:00Z", expected: ["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"]),
        TimeCase(
            name: "a gap and the time at its end are one fire", zone: "America/New_York", expression: "0 2,3 * * *",
            after: "2026-03-08T05:00:00Z", expected: ["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"]),
        TimeCase(
            name: "an interval in a gap does not fire", zone: "America/New_York", expression: "*/15 2 * * *",
            after: "2026-03-08T05:00:00Z", expected: ["2026-03-09T06:00:00Z"]),
        TimeCase(
            name: "hourly has no hole", zone: "America/New_York", expression: "30 * * * *", after: "2026-03-08T05:00:00Z",
            expected: ["2026-03-08T05:30:00Z", "2026-03-08T06:30:00Z", "2026-03-08T07:30:00Z", "2026-03-08T08:30:00Z"]),
        TimeCase(
            name: "every other hour loses the gap", zone: "America/New_York", expression: "0 */2 * * *",
            after: "2026-03-08T05:00:00Z",
            expected: ["2026-03-08T08:00:00Z", "2026-03-08T10:00:00Z", "2026-03-08T12:00:00Z"]),
        TimeCase(
            name: "a repeated time fires on its first pass", zone: "America/New_York", expression: "30 1 * * *",
            after: "2026-10-31T16:00:00Z", expected: ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]),
        TimeCase(
            name: "an interval fires in both passes", zone: "America/New_York", expression: "*/15 1 * * *",
            after: "2026-11-01T04:00:00Z",
            expected: [
                "2026-11-01T05:00:00Z", "2026-11-01T05:15:00Z", "2026-11-01T05:30:00Z", "2026-11-01T05:45:00Z",
                "2026-11-01T06:00:00Z", "2026-11-01T06:15:00Z", "2026-11-01T06:30:00Z", "2026-11-01T06:45:00Z",
                "2026-11-02T06:00:00Z",
            ]),
        TimeCase(
            name: "hourly in the repeated hour", zone: "America/New_York", expression: "30 * * * *",
            after: "2026-11-01T04:00:00Z",
            expected: ["2026-11-01T04:30:00Z", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", "2026-11-01T07:30:00Z"]),
        TimeCase(
            name: "the whole range is an interval", zone: "America/New_York", expression: "0 0-23 * * *",
            after: "2026-11-01T03:59:00Z",
            expected: ["2026-11-01T04:00:00Z", "2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z"]),
        TimeCase(
            name: "London in spring", zone: "Europe/London", expression: "30 1 * * *", after: "2026-03-28T12:00:00Z",
            expected: ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
        TimeCase(
            name: "London in autumn", zone: "Europe/London", expression: "30 1 * * *", after: "2026-10-24T12:00:00Z",
            expected: ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        TimeCase(
            name: "London hourly in autumn", zone: "Europe/London", expression: "0 * * * *", after: "2025-10-25T23:30:00Z",
            expected: ["2025-10-26T00:00:00Z", "2025-10-26T01:00:00Z", "2025-10-26T02:00:00Z"]),
        TimeCase(
            name: "Kolkata has no changes", zone: "Asia/Kolkata", expression: "30 2 * * *", after: "2026-03-01T00:00:00Z",
            expected: ["2026-03-01T21:00:00Z", "2026-03-02T21:00:00Z"]),
        TimeCase(
            name: "a gap of half an hour", zone: "Australia/Lord_Howe", expression: "15 2 * * *", after: "2026-10-03T01:00:00Z",
            expected: ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]),
        TimeCase(
            name: "half an hour repeated", zone: "Australia/Lord_Howe", expression: "45 1 * * *", after: "2026-04-04T01:00:00Z",
            expected: ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]),
        TimeCase(
            name: "an interval over half an hour repeated", zone: "Australia/Lord_Howe", expression: "*/15 * * * *",
            after: "2026-04-04T14:25:00Z",
            expected: [
                "2026-04-04T14:30:00Z", "2026-04-04T14:45:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:15:00Z",
                "2026-04-04T15:30:00Z",
            ]),
        TimeCase(
            name: "midnight does not exist", zone: "America/Santiago", expression: "0 0 * * *", after: "2026-09-05T12:00:00Z",
            expected: ["2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"]),
        TimeCase(
            name: "the hour before midnight repeated", zone: "America/Santiago", expression: "30 23 * * *",
            after: "2026-04-04T12:00:00Z", expected: ["2026-04-05T02:30:00Z", "2026-04-06T03:30:00Z"]),
        TimeCase(
            name: "Cairo's midnight", zone: "Africa/Cairo", expression: "0 0 * * *", after: "2026-04-23T10:00:00Z",
            expected: ["2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"]),
        TimeCase(
            name: "Havana's midnight repeated", zone: "America/Havana", expression: "30 0 * * *", after: "2026-10-31T16:00:00Z",
            expected: ["2026-11-01T04:30:00Z", "2026-11-02T05:30:00Z"]),
        TimeCase(
            name: "a gap of two hours", zone: "Antarctica/Troll", expression: "30 1 * * *", after: "2026-03-28T12:00:00Z",
            expected: ["2026-03-29T01:00:00Z", "2026-03-29T23:30:00Z"]),
        TimeCase(
            name: "a day that did not exist", zone: "Pacific/Apia", expression: "0 12 * * *", after: "2011-12-28T23:00:00Z",
            expected: ["2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z", "2011-12-31T22:00:00Z"]),
        TimeCase(
            name: "a date that did not exist", zone: "Pacific/Apia", expression: "0 12 30 * *", after: "2011-12-28T23:00:00Z",
            expected: ["2012-01-29T22:00:00Z"]),
        TimeCase(
            name: "midnight across the date line", zone: "Pacific/Apia", expression: "0 0 * * *", after: "2011-12-28T22:00:00Z",
            expected: ["2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"]),
        TimeCase(
            name: "an offset that changes for good", zone: "Asia/Almaty", expression: "0 3 * * *", after: "2024-02-29T12:00:00Z",
            expected: ["2024-02-29T22:00:00Z"]),
        TimeCase(
            name: "negative daylight saving", zone: "Europe/Dublin", expression: "0 * * * *", after: "2025-03-29T22:00:00Z",
            expected: ["2025-03-29T23:00:00Z", "2025-03-30T00:00:00Z", "2025-03-30T01:00:00Z", "2025-03-30T02:00:00Z"]),
        TimeCase(
            name: "a rule beyond the table", zone: "Europe/London", expression: "30 1 * * *", after: "2090-03-25T12:00:00Z",
            expected: ["2090-03-26T01:00:00Z", "2090-03-27T00:30:00Z"]),
    ]

    @Test("fires when it should", arguments: cases)
    func fires(_ example: TimeCase) throws {
        let schedule = try schedule(example.expression, example.zone)
        #expect(try ScheduleTests.fires(schedule, after: example.after, count: example.expected.count) == example.expected)
    }

    @Test("the latest fire is the one that a walk ends at", arguments: cases)
    func latest(_ example: TimeCase) throws {
        let schedule = try schedule(example.expression, example.zone)
        let after = try #require(Instant(rfc3339: example.after))
        let text = try #require(example.expected.last)
        let last = try #require(Instant(rfc3339: text))
        #expect(schedule.latest(after: after, through: last) == last)
        #expect(schedule.latest(after: last, through: last) == nil)
        #expect(schedule.count(after: after, through: last, limit: 1000) == example.expected.count)
    }
}
