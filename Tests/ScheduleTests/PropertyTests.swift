import Schedule
import Testing

/// A generator whose sequence depends on its seed alone.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

@Suite("Properties of schedules")
struct PropertyTests {
    @Test(
        "an interval fires at exactly the minutes of real time whose wall time matches",
        arguments: ["America/New_York", "Australia/Lord_Howe", "Europe/Dublin", "Asia/Kolkata", "America/Santiago"])
    func bruteForce(name: String) throws {
        var generator = SeededGenerator(state: 42)
        let zone = try zone(name)
        for _ in 0..<20 {
            let minute = Int.random(in: 0...59, using: &generator)
            let step = Int.random(in: 1...12, using: &generator)
            let schedule = ZonedSchedule(expression: try CronExpression("\(minute) */\(step) * * *"), zone: zone)
            var instant = Instant(secondsSinceEpoch: Int64.random(in: 0...4_000_000_000, using: &generator) / 60 * 60)
            let end = instant + .seconds(3 * 86400)
            var expected: [Instant] = []
            var probe = instant + .seconds(60)
            while probe <= end {
                let local = probe.secondsSinceEpoch + Int64(zone.offset(at: probe).seconds)
                let minutes = ((local % 86400) + 86400) % 86400 / 60
                if minutes % 60 == Int64(minute), minutes / 60 % Int64(step) == 0, local % 60 == 0 { expected.append(probe) }
                probe = probe + .seconds(60)
            }
            var found: [Instant] = []
            while let next = schedule.next(after: instant), next <= end {
                found.append(next)
                instant = next
            }
            #expect(found == expected)
        }
    }

    @Test(
        "instants survive RFC 3339", arguments: ["2026-03-29T01:00:00Z", "1969-12-31T23:59:59.5Z", "2026-11-24T01:35:01.123456Z"])
    func instants(text: String) throws {
        #expect(try #require(Instant(rfc3339: text)).rfc3339 == text)
    }

    @Test("an offset is taken into account")
    func offsets() throws {
        #expect(Instant(rfc3339: "2026-03-29T02:00:00+01:00") == Instant(rfc3339: "2026-03-29T01:00:00Z"))
        #expect(
            try #require(Instant(rfc3339: "2026-06-01T00:00:00Z")).rfc3339(in: zone("Asia/Kolkata")) == "2026-06-01T05:30:00+05:30")
    }

    @Test(
        "durations are read and written",
        arguments: [("90d", 7_776_000.0), ("1h30m", 5400), ("250ms", 0.25), ("2w", 1_209_600), ("15m", 900)])
    func durations(text: String, seconds: Double) throws {
        let duration = try #require(DurationText.parse(text))
        #expect(duration == .milliseconds(Int64(seconds * 1000)))
        #expect(DurationText.parse(DurationText.format(duration)) == duration)
    }

    @Test("what is no duration is refused", arguments: ["", "90", "d", "0s", "-1h", "1m1h", "1.5h", "99999999999999d", "1h 30m"])
    func badDurations(text: String) {
        #expect(DurationText.parse(text) == nil)
    }

    @Test(
        "names that leave the folder of zones are refused",
        arguments: ["../etc/passwd", "/etc/localtime", "", "right/UTC", "posix/UTC", "a//b", ".hidden"])
    func badZones(name: String) {
        #expect(throws: ZoneRulesError.self) { try ZoneRules.validate(identifier: name) }
    }
}
