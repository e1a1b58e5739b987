import Schedule
import Testing

@Suite("Changes of the clock")
struct ZoneChangeTests {
    private func nonexistent(_ text: String, _ zone: String, _ after: String, _ through: String) throws -> [String] {
        try schedule(text, zone).nonexistent(
            after: try #require(Instant(rfc3339: after)), through: try #require(Instant(rfc3339: through))
        ).map { "\($0.wallTime) \($0.gapEnd)" }
    }

    @Test("a day that did not exist can be told fire by fire")
    func skippedDay() throws {
        let (before, after) = ("2011-12-29T00:00:00Z", "2012-02-01T00:00:00Z")
        #expect(
            try nonexistent("0 6,12 * * *", "Pacific/Apia", before, after)
                == ["2011-12-30 06:00:00 2011-12-30T10:00:00Z", "2011-12-30 12:00:00 2011-12-30T10:00:00Z"])
        #expect(try nonexistent("0 12 30 * *", "Pacific/Apia", before, after) == ["2011-12-30 12:00:00 2011-12-30T10:00:00Z"])
        #expect(try nonexistent("0 12 31 * *", "Pacific/Apia", before, after) == [])
        // The last day of a short month is where it was, and Sunday was not the day that was lost.
        #expect(try nonexistent("0 12 L * *", "Pacific/Apia", before, after) == [])
        #expect(try nonexistent("0 12 * * FRI", "Pacific/Apia", before, after).count == 1)
    }

    @Test("a gap's end counts when it is in the span, behind its begin and up to its end")
    func span() throws {
        #expect(try nonexistent("0 12 * * *", "Pacific/Apia", "2011-12-30T10:00:00Z", "2012-01-01T00:00:00Z") == [])
        #expect(try nonexistent("0 12 * * *", "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z").count == 1)
    }

    @Test("what is made up for is not told, and an interval has nothing to make up for")
    func madeUp() throws {
        #expect(try nonexistent("30 2 * * *", "America/New_York", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z") == [])
        // Casey set its clock by three hours, which is not yet a day.
        #expect(try nonexistent("30 5 * * *", "Antarctica/Casey", "2009-10-01T00:00:00Z", "2020-01-01T00:00:00Z") == [])
        #expect(try nonexistent("*/15 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", "2012-02-01T00:00:00Z") == [])
    }

    @Test(
        "do to fires what is said of them",
        arguments: [
            ("30 1 * * *", ["moved 1 01:30:00-01:30:00 01:00", "once 1 01:30:00-01:30:00 00:30"]),
            ("0,30 1 * * *", ["merged 2 01:00:00-01:30:00 01:00", "once 2 01:00:00-01:30:00 00:00,00:30"]),
            ("0 1,2 * * *", ["merged 1 01:00:00-01:00:00 01:00", "once 1 01:00:00-01:00:00 00:00"]),
            ("*/30 * * * *", ["skipped 2 01:00:00-01:30:00 ", "doubled 2 01:00:00-01:30:00 00:00,00:30,01:00,01:30"]),
            ("0 3 * * *", ["none 0 - ", "none 0 - "]), ("@every 1h", ["none 0 - ", "none 0 - "]),
            ("30 1 * * MON", ["none 0 - ", "none 0 - "]),
        ])
    func effects(text: String, expected: [String]) throws {
        let schedule = try schedule(text, "Europe/London")
        let start = try #require(Instant(rfc3339: "2026-01-01T00:00:00Z"))
        let effects = schedule.effectsOfChanges(after: start, through: start + .seconds(360 * 86400))
        #expect(effects.map(\.change.at.rfc3339) == ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"])
        #expect(
            effects.map { effect in
                let walls = [effect.firstWallTime, effect.lastWallTime].map { $0.map { String($0.suffix(8)) } ?? "" }
                let fires = effect.fires.map { String($0.rfc3339.dropFirst(11).prefix(5)) }
                return "\(effect.kind) \(effect.count) \(walls.joined(separator: "-")) \(fires.joined(separator: ","))"
            } == expected)
    }

    @Test("a day that does not exist is skipped, not moved")
    func skipped() throws {
        let start = try #require(Instant(rfc3339: "2011-12-01T00:00:00Z"))
        let effects = try schedule("0 12 * * *", "Pacific/Apia").effectsOfChanges(
            after: start, through: start + .seconds(60 * 86400))
        #expect(effects.map(\.kind) == [.skipped])
        #expect(effects.first?.firstWallTime == "2011-12-30 12:00:00")
    }

    @Test("the fires that are told are those that come", arguments: NaiveWalkTests.zones)
    func told(name: String) throws {
        var generator = SeededGenerator(state: 21)
        let zone = try zone(name)
        let since = try #require(Instant(rfc3339: "1990-01-01T00:00:00Z"))
        let changes = zone.changes(after: since, through: since + .seconds(60 * 365 * 86400))
        for _ in 0..<30 {
            let random = RandomExpression(using: &generator, rareDays: 1, withSeconds: 0)
            guard let change = changes.randomElement(using: &generator),
                let expression = try? CronExpression(random.text, days: random.rule)
            else { continue }
            let schedule = ZonedSchedule(expression: expression, zone: zone)
            let effect = try #require(schedule.effectsOfChanges(after: change.at - .seconds(1), through: change.at).first)
            for fire in effect.fires { #expect(schedule.next(after: fire - .seconds(1)) == fire, "\(random.text) \(change)") }
            #expect((effect.kind == .none) == (effect.count == 0))
        }
    }
}
