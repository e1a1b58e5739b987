import Schedule
import Testing

struct DateCase: Sendable, CustomTestStringConvertible {
    let expression: String
    let after: String
    let expected: [String]
    var days = CronExpression.DayRule.vixie

    var testDescription: String { expression }
}

@Suite("Cron expressions")
struct CronExpressionTests {
    static let dates: [DateCase] = [
        DateCase(expression: "0 0 29 2 *", after: "2025-01-01T00:00:00Z", expected: ["2028-02-29", "2032-02-29", "2036-02-29"]),
        DateCase(expression: "0 0 29 2 *", after: "2097-01-01T00:00:00Z", expected: ["2104-02-29"]),
        DateCase(
            expression: "0 0 30 2 1", after: "2026-01-01T00:00:00Z",
            expected: ["2026-02-02", "2026-02-09", "2026-02-16", "2026-02-23"]),
        DateCase(expression: "0 0 31 * *", after: "2026-01-01T00:00:00Z", expected: ["2026-01-31", "2026-03-31", "2026-05-31"]),
        DateCase(
            expression: "30 4 1,15 * 5", after: "2026-01-01T00:00:00Z",
            expected: ["2026-01-01", "2026-01-02", "2026-01-09", "2026-01-15", "2026-01-16"]),
        DateCase(expression: "0 0 13 * 5", after: "2026-01-01T00:00:00Z", expected: ["2026-01-02", "2026-01-09", "2026-01-13"]),
        DateCase(
            expression: "0 0 13 * 5", after: "2026-01-01T00:00:00Z", expected: ["2026-02-13", "2026-03-13", "2026-11-13"],
            days: .and),
        DateCase(expression: "0 0 */2 * 1", after: "2026-01-01T00:00:00Z", expected: ["2026-01-05", "2026-01-19", "2026-02-09"]),
        DateCase(expression: "0 0 L * *", after: "2026-02-01T00:00:00Z", expected: ["2026-02-28", "2026-03-31"]),
        DateCase(expression: "0 0 L-3 * *", after: "2026-02-01T00:00:00Z", expected: ["2026-02-25", "2026-03-28"]),
        DateCase(expression: "0 0 LW * *", after: "2026-02-01T00:00:00Z", expected: ["2026-02-27", "2026-03-31"]),
        DateCase(expression: "0 0 1W * *", after: "2026-07-15T00:00:00Z", expected: ["2026-08-03", "2026-09-01"]),
        DateCase(expression: "0 0 * * 5#5", after: "2025-01-01T00:00:00Z", expected: ["2025-01-31", "2025-05-30", "2025-08-29"]),
        DateCase(expression: "0 0 * * 5L", after: "2026-01-01T00:00:00Z", expected: ["2026-01-30", "2026-02-27"]),
        DateCase(
            expression: "0 0 * * fri-mon", after: "2026-01-01T00:00:00Z",
            expected: ["2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05", "2026-01-09"]),
        DateCase(
            expression: "0 0 1 nov-feb *", after: "2026-01-15T00:00:00Z",
            expected: ["2026-02-01", "2026-11-01", "2026-12-01", "2027-01-01"]),
        DateCase(expression: "0 0 * * 7", after: "2026-01-01T00:00:00Z", expected: ["2026-01-04", "2026-01-11"]),
        DateCase(expression: "0 0 * * 6-7", after: "2026-01-01T00:00:00Z", expected: ["2026-01-03", "2026-01-04", "2026-01-10"]),
        DateCase(expression: "@weekly", after: "2026-01-01T00:00:00Z", expected: ["2026-01-04"]),
        DateCase(expression: "@monthly", after: "2026-01-02T00:00:00Z", expected: ["2026-02-01"]),
        DateCase(expression: "@yearly", after: "2026-01-02T00:00:00Z", expected: ["2027-01-01"]),
    ]

    @Test("matches the days that it should", arguments: dates)
    func days(_ example: DateCase) throws {
        let schedule = ZonedSchedule(expression: try CronExpression(example.expression, days: example.days), zone: .utc)
        let found = try fires(schedule, after: example.after, count: example.expected.count)
        #expect(found.map { String($0.prefix(10)) } == example.expected)
    }

    @Test("a range over midnight wraps around")
    func hoursWrap() throws {
        let schedule = ZonedSchedule(expression: try CronExpression("0 22-2 * * *"), zone: .utc)
        #expect(
            try fires(schedule, after: "2026-01-01T12:00:00Z", count: 6).map { String($0.dropFirst(11).prefix(2)) }
                == ["22", "23", "00", "01", "02", "22"])
    }

    @Test("@every is anchored to the epoch, so that a restart does not shift it")
    func every() throws {
        let schedule = ZonedSchedule(expression: try CronExpression("@every 90m"), zone: .utc)
        #expect(try fires(schedule, after: "1970-01-01T00:10:00Z", count: 2) == ["1970-01-01T01:30:00Z", "1970-01-01T03:00:00Z"])
    }

    @Test("a sixth field in front is the second")
    func seconds() throws {
        let schedule = ZonedSchedule(expression: try CronExpression("*/20 5 * * * *"), zone: .utc)
        #expect(
            try fires(schedule, after: "2026-01-01T00:00:00Z", count: 4)
                == ["2026-01-01T00:05:00Z", "2026-01-01T00:05:20Z", "2026-01-01T00:05:40Z", "2026-01-01T01:05:00Z"])
    }

    @Test(
        "refuses what cannot be meant, and names field and reason",
        arguments: [
            ("60 * * * *", "minute (column 1): 60 is out of range 0-59"),
            ("* 24 * * *", "hour (column 3): 24 is out of range 0-23"),
            ("* * 0 * *", "day of month (column 5): 0 is out of range 1-31"),
            ("* * * 13 *", "month (column 7): 13 is out of range 1-12"),
            ("* * * * 8", "day of week (column 9): 8 is out of range 0-7"), ("*/0 * * * *", "the step \"0\""),
            ("*/61 * * * *", "the step \"61\""), ("5- * * * *", "\"5-\" lacks a number"), ("1,,2 * * * *", "an empty item"),
            ("0 2 * *", "4 fields where five are wanted"), ("0 0 2 * * * *", "7 fields"), ("", "empty"),
            ("@reboot", "@reboot is no time"),
            ("@fortnightly", "\"@fortnightly\" is not known"), ("0 0 30 2 *", "can never fire"),
            ("0 0 31 4,6,9,11 *", "can never fire"),
            ("0 0 * * mond", "\"mond\" is not understood"), ("@every 0s", "@every wants"), ("0 0 * * 1#6", "first to fifth"),
        ])
    func refused(text: String, reason: String) {
        let error = #expect(throws: CronExpressionError.self) { try CronExpression(text) }
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
        #expect(error?.accepted.isEmpty == false)
    }

    @Test(
        "is an interval or fixed",
        arguments: [
            ("0 2 * * *", CronExpression.Class.fixed), ("*/15 2 * * *", .interval), ("0 * * * *", .interval),
            ("0 0-23 * * *", .interval),
            ("0-59 2 * * *", .interval), ("5,35 1-3 * * *", .fixed),
        ])
    func scheduleClass(text: String, expected: CronExpression.Class) throws {
        #expect(try CronExpression(text).scheduleClass == expected)
    }
}
