import Schedule
import Testing

@Suite("The work of a search")
struct BoundedWorkTests {
    /// Schedules whose fires are years apart, on the leap day of one weekday above all.
    static let rare: [(text: String, rule: CronExpression.DayRule)] = [
        ("0 0 29 2 1#5", .and), ("0 0 29 2 *", .vixie), ("*/5 1 29 2 0", .and), ("0 0 29 2 3", .and), ("0 0 31 1 1#5", .and),
        ("30 1 29W 2 5L", .and), ("0 0 L-28 2 6", .and), ("0 0 29,30 2 4#5", .and), ("* * 29 2 6#5", .and),
        ("0 0 29 2 1#5", .vixie), ("59 23 LW 2 5L", .and), ("0 0 1W 1 1#1", .and), ("30 2 29 2 0", .and), ("*/30 * 29 2 0", .and),
        ("0 * * * * *", .vixie), ("0 2 * * *", .vixie), ("*/15 * * * *", .vixie),
    ]

    @Test("is bounded by some hundred steps, however rare the fires are", arguments: rare)
    func steps(text: String, rule: CronExpression.DayRule) throws {
        // A zone with two changes a year, one with four by its rule, and one that lost a day.
        for name in ["America/New_York", "Africa/Casablanca", "Pacific/Apia"] {
            let schedule = ZonedSchedule(expression: try CronExpression(text, days: rule), zone: try zone(name))
            var most = 0
            for year in stride(from: 1970, to: 2110, by: 7) {
                let start = Instant(secondsSinceEpoch: Civil.days(year: year, month: 3, day: 1) * 86400)
                var steps = 0
                #expect(schedule.next(after: start, steps: &steps) != nil)
                most = max(most, steps)
            }
            // Forty years, with a few months and changes in each.
            #expect(most < 300, "\(name)")
        }
    }

    @Test("is a few steps for a plain schedule, from one fire to the next")
    func plain() throws {
        for text in ["0 2 * * *", "*/15 * * * *", "0 2 * * 0", "0 2 L * *"] {
            let schedule = try schedule(text, "Europe/London")
            var at = try #require(Instant(rfc3339: "2026-01-01T00:00:00Z"))
            for _ in 0..<500 {
                var steps = 0
                at = try #require(schedule.next(after: at, steps: &steps))
                #expect(steps <= 6, "\(text) at \(at)")
            }
        }
    }

    @Test("does not grow with the fires on a day that did not exist, nor with those of a second pass")
    func denseFixed() throws {
        let schedule = try schedule("0-58 0-22 * * *", "Pacific/Apia")
        var steps = 0
        let before = try #require(Instant(rfc3339: "2011-12-30T09:00:00Z"))
        #expect(schedule.next(after: before, steps: &steps)?.rfc3339 == "2011-12-30T10:00:00Z")
        #expect(steps <= 6)
        let london = try ScheduleTests.schedule("0-58 0-22 * * *", "Europe/London")
        steps = 0
        let between = try #require(Instant(rfc3339: "2026-10-25T01:00:30Z"))
        #expect(london.next(after: between, steps: &steps)?.rfc3339 == "2026-10-25T02:00:00Z")
        #expect(steps <= 6)
    }

    @Test(
        "what can never be is refused, whichever fields say so",
        arguments: [
            ("0 0 30 2 *", CronExpression.DayRule.vixie), ("0 0 31 4,6,9,11 *", .vixie), ("0 0 31W 2 *", .vixie),
            ("0 0 L-29 2 *", .vixie), ("0 0 1-7 * 1#2", .and), ("0 0 15 * 1#1", .and), ("0 0 LW * 6", .and), ("0 0 15W 5 0", .and),
            ("0 0 28 2 1#5", .and), ("0 0 30 2 1", .and), ("0 0 1 * 5L", .and),
        ])
    func never(text: String, rule: CronExpression.DayRule) {
        let error = #expect(throws: CronExpressionError.self) { try CronExpression(text, days: rule) }
        #expect(error?.reason.contains("can never fire") == true)
    }

    @Test("what is rarest is not refused")
    func rarest() throws {
        let schedule = ZonedSchedule(expression: try CronExpression("0 0 29 2 1#5", days: .and), zone: .utc)
        #expect(
            try fires(schedule, after: "2072-03-01T00:00:00Z", count: 3)
                == ["2112-02-29T00:00:00Z", "2140-02-29T00:00:00Z", "2168-02-29T00:00:00Z"])
    }
}
