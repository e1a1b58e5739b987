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
        DateCase(
            expression: "0 0 1-31/2 * 1", after: "2026-01-01T00:00:00Z",
            expected: ["2026-01-03", "2026-01-05", "2026-01-07", "2026-01-09", "2026-01-11", "2026-01-12", "2026-01-13"]),
        DateCase(
            expression: "0 0 */2 * 1", after: "2026-01-01T00:00:00Z", expected: ["2026-01-03", "2026-01-05", "2026-01-07"],
            days: .or),
        DateCase(expression: "0 0 * * 1", after: "2026-01-01T00:00:00Z", expected: ["2026-01-05", "2026-01-12"], days: .or),
        DateCase(
            expression: "0 0 1-7 * 1", after: "2026-01-01T00:00:00Z",
            expected: [
                "2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05", "2026-01-06", "2026-01-07", "2026-01-12", "2026-01-19",
            ]),
        DateCase(expression: "0 0 * * 1#1", after: "2026-01-01T00:00:00Z", expected: ["2026-01-05", "2026-02-02"]),
        DateCase(
            expression: "0 0 1,15,L jan,Jul,DEC *", after: "2026-01-01T00:00:00Z",
            expected: ["2026-01-15", "2026-01-31", "2026-07-01", "2026-07-15", "2026-07-31", "2026-12-01"]),
        DateCase(expression: "0 0 15W * *", after: "2026-02-01T00:00:00Z", expected: ["2026-02-16", "2026-03-16", "2026-04-15"]),
        DateCase(expression: "0 0 31W * *", after: "2026-02-01T00:00:00Z", expected: ["2026-03-31", "2026-05-29", "2026-07-31"]),
        DateCase(
            expression: "0 0 * * mon#1,Fri#3,satL", after: "2026-01-01T00:00:00Z",
            expected: ["2026-01-05", "2026-01-16", "2026-01-31", "2026-02-02"]),
        DateCase(expression: "\t0  0\t \t1   *    * ", after: "2026-01-02T00:00:00Z", expected: ["2026-02-01"]),
        DateCase(
            expression: "0 0 28-2 * *", after: "2026-02-01T12:00:00Z",
            expected: ["2026-02-02", "2026-02-28", "2026-03-01", "2026-03-02", "2026-03-28"]),
        DateCase(
            expression: "0 0 * * 5-1/2", after: "2026-01-01T00:00:00Z",
            expected: ["2026-01-02", "2026-01-04", "2026-01-09", "2026-01-11"]),
        DateCase(expression: "0 0 * * 0-7", after: "2026-01-01T00:00:00Z", expected: ["2026-01-02", "2026-01-03"]),
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
        "refuses what cannot be meant, and names field, reason and what would be accepted",
        arguments: [
            ("60 * * * *", "minute (column 1): 60 is out of range 0-59", "write 0"),
            ("* 24 * * *", "hour (column 3): 24 is out of range 0-23", "write 0 for midnight"),
            ("* * 0 * *", "day of month (column 5): 0 is out of range 1-31", "nearest is 1"),
            ("* * 32 * *", "day of month (column 5): 32 is out of range 1-31", "nearest is 31; L"),
            ("* * * 13 *", "month (column 7): 13 is out of range 1-12", "nearest is 12"),
            ("* * * 0 *", "month (column 7): 0 is out of range 1-12", "nearest is 1"),
            ("* * * * 8", "day of week (column 9): 8 is out of range 0-7", "0 to 6 for Sunday to Saturday"),
            ("60 * * * * *", "second (column 1): 60 is out of range 0-59", "write 0"),
            ("*/0 * * * *", "minute (column 3): the step \"0\"", "write * for every minute"),
            ("*/61 * * * *", "minute (column 3): the step \"61\" is not a number from 1 to 60", "*/15"),
            ("0 */25 * * *", "hour (column 5): the step \"25\"", "@every"), ("*/ * * * *", "the step is missing", "*/15"),
            ("*/x * * * *", "the step \"x\"", "*/15"), ("5- * * * *", "minute (column 3): \"5-\" lacks a number", "5-59 or 5"),
            ("-5 * * * *", "\"-5\" lacks a number", "numbers in 0-59"), ("5-1-3 * * * *", "\"1-3\" is not understood", "0-59"),
            ("1,,2 * * * *", "an empty item in the list \"1,,2\"", "write \"1,2\""), ("1, * * * *", "an empty item", "write \"1\""),
            (", * * * *", "an empty item", "write *"), ("0 2 * *", "4 fields where five are wanted", "write \"0 2 * * *\""),
            ("0 0 2 * * * *", "7 fields", "without a year"), ("0 0 2 * * * 2026", "7 fields", "without a year"),
            ("x", "1 field where", "minute, hour"),
            (
                "0 2 * * * root /usr/bin/vacuumdb", "text after the five fields, beginning at column 11: \"root\"",
                "\"0 2 * * *\" alone"
            ),
            ("0 2 * * * /usr/bin/vacuumdb", "text after the five fields, beginning at column 11", "kind says what is run"),
            ("", "empty", "five fields"), (" \t ", "empty", "five fields"), ("@reboot", "@reboot is no time", "catch_up"),
            ("@REBOOT", "@reboot is no time", "catch_up"),
            ("@fortnightly", "\"@fortnightly\" is not known", "write one of @yearly"),
            ("@dayly", "\"@dayly\" is not known", "did you mean @daily?"),
            ("@daily 5", "\"5\" after \"@daily\"", "write @daily alone"),
            ("@every 0s", "@every wants", "@every 90m"), ("@every 90", "not \"90\"", "\"@every 90m\""),
            ("@every", "@every wants", "@every 90m"), ("@every 1500ms", "whole seconds", "@every 90m"),
            ("@every 1h 30m", "@every wants", "@every 90m"), ("0 0 30 2 *", "day of month (column 5)", "L for the last day"),
            ("0 0 31 4,6,9,11 *", "can never fire", "a day that exists"),
            ("0 0 * * mond", "day of week (column 9): \"mond\" is not understood", "did you mean MON?"),
            ("0 0 * sept *", "\"sept\" is not understood", "did you mean SEP?"), ("0 0 * * mun", "\"mun\"", "did you mean"),
            ("mon 0 * * *", "\"mon\" is not understood", "0-59"), ("0 0 ? * 1", "another kind of scheduler", "write *"),
            ("0 0 * * L", "\"L\" says no weekday", "SATL"), ("0 0 * * 1#6", "first to fifth", "1#1 to 1#5"),
            ("0 0 * * 1#0", "first to fifth", "1L for the last"), ("0 0 * * 8#1", "8 is out of range", "Sunday"),
            ("0 0 L-31 * *", "counts back", "L-3"), ("0 0 L-0 * *", "counts back", "write L"),
            ("0 0 L5 * *", "\"L5\"", "L, L-3 or LW"),
            ("0 0 W * *", "lacks a number", "1-31"), ("L 0 * * *", "\"L\" is not understood", "0-59"),
            ("0 0 1#2 * *", "\"1#2\" is not understood", "1-31"), ("**/2 * * * *", "\"**\" is not understood", "write *"),
            ("*5 * * * *", "\"*5\" is not understood", "write *"), ("0 0 * * *\n", "\"*\u{FFFD}\" is not understood", "write *"),
            ("\u{661} * * * *", "is not understood", "0-59"), ("00000 * * * *", "is not understood", "0-59"),
            (String(repeating: "0,", count: 600) + "0 * * * *", "more than 1000 bytes", "ranges"),
        ])
    func refused(text: String, reason: String, accepted: String) {
        let error = #expect(throws: CronExpressionError.self) { try CronExpression(text) }
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
        #expect(error?.accepted.contains(accepted) == true, "\(error?.accepted ?? "")")
    }

    @Test("whatever is written, is accepted or refused with a sentence, and what is accepted can be asked")
    func anything() {
        var generator = SeededGenerator(state: 5)
        let pieces = [
            "*", "/", "-", ",", "#", "L", "W", "5", "0", "31", "59", "60", "mon", "FEB", " ", " ", " ", "\t", "@every ", "é",
            "\u{0}",
        ]
        var accepted = 0
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 1...14, using: &generator)).map { _ in pieces.randomElement(using: &generator) ?? "" }
                .joined()
            // Mostly five fields, so that what is wrong lies in them.
            let fields = Bool.random(using: &generator) ? text : "\(text.filter { $0 != " " && $0 != "\t" }) 2 * * *"
            do {
                let expression = try CronExpression(fields)
                accepted += 1
                #expect(!expression.words.isEmpty)
                #expect(ZonedSchedule(expression: expression, zone: .utc).next(after: Instant(secondsSinceEpoch: 0)) != nil)
            } catch {
                #expect(!error.message.isEmpty && !error.accepted.isEmpty && error.column >= 1)
                #expect(!error.description.unicodeScalars.contains { $0.properties.generalCategory == .control })
            }
        }
        #expect(accepted > 200)
    }

    @Test(
        "a macro is what its fields are, in any letters",
        arguments: [
            ("@hourly", "0 * * * *"), ("@Daily", "0 0 * * *"), ("@MIDNIGHT", "0 0 * * *"), ("@weekly", "0 0 * * 0"),
            ("@monthly", "0 0 1 * *"), ("@annually", "0 0 1 1 *"), ("@yearly", "0 0 1 1 *"),
        ])
    func macros(name: String, text: String) throws {
        let after = "2026-01-01T00:00:00Z"
        #expect(
            try fires(ZonedSchedule(expression: CronExpression(name), zone: .utc), after: after, count: 10)
                == fires(ZonedSchedule(expression: CronExpression(text), zone: .utc), after: after, count: 10))
    }

    @Test(
        "is an interval or fixed",
        arguments: [
            ("0 2 * * *", CronExpression.Class.fixed), ("*/15 2 * * *", .interval), ("0 * * * *", .interval),
            ("0 0-23 * * *", .interval),
            ("0-59 2 * * *", .interval), ("5,35 1-3 * * *", .fixed), ("0 2 * * * *", .interval), ("@every 1d", .interval),
            ("@daily", .fixed), ("@hourly", .interval), ("5 0-22 * * *", .fixed), ("0 22-21 * * *", .interval),
            ("0 *,3 * * *", .interval),
        ])
    func scheduleClass(text: String, expected: CronExpression.Class) throws {
        #expect(try CronExpression(text).scheduleClass == expected)
    }
}
