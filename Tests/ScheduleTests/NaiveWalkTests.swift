import Glibc
import Schedule
import Testing

/// What is due in a span of time, found by looking at every minute or second of it.
struct NaiveWalk {
    let expression: RandomExpression
    let zone: ZoneRules

    /// Every fire in (after, through]; with no second's field only full minutes are looked at.
    func fires(after: Int64, through: Int64) -> [Int64] {
        let tick: Int64 = expression.seconds == nil ? 60 : 1
        // A time that was shown shortly before is a second pass. No clock has been set back by more than a day.
        let start = expression.isInterval ? after : after - 26 * 3600
        var shown: Set<Int64> = []
        var found: [Int64] = []
        var offset: Int64?
        var at = (start / tick + 1) * tick
        while at <= through {
            let wall = at + Int64(zone.offset(at: Instant(secondsSinceEpoch: at)).seconds)
            let jump = offset.map { wall - at - $0 } ?? 0
            var isDue = expression.matches(local: wall)
            if !expression.isInterval {
                if shown.contains(wall) { isDue = false }
                if jump > 0, jump <= 3 * 3600 {
                    isDue = isDue || stride(from: wall - jump, to: wall, by: 60).contains { expression.matches(local: $0) }
                }
                shown.insert(wall)
            }
            if isDue, at > after { found.append(at) }
            offset = wall - at
            at += tick
        }
        return found
    }
}

@Suite("Fires beside a walk over every minute")
struct NaiveWalkTests {
    /// Zones with changes of 20 minutes to a day, at midnight, for good, back and forth within a year, and with none.
    static let zones = [
        "America/New_York", "Europe/London", "Europe/Dublin", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo",
        "America/Havana", "Antarctica/Troll", "Pacific/Apia", "Asia/Almaty", "Africa/Casablanca", "Asia/Kolkata",
        "America/St_Johns", "Pacific/Kwajalein", "Asia/Pyongyang", "Antarctica/Casey", "America/Caracas", "Asia/Gaza",
        "Pacific/Kiritimati", "Asia/Kathmandu", "Atlantic/Azores", "America/Scoresbysund", "Africa/Juba", "Europe/Lisbon",
    ]

    /// An instant near a change of the zone more often than not.
    static func instant(in zone: ZoneRules, changes: [ZoneChange], using generator: inout SeededGenerator) -> Int64 {
        let anywhere = Int64.random(in: 94_694_400...4_102_444_800, using: &generator)
        guard let change = changes.randomElement(using: &generator), Int.random(in: 0..<10, using: &generator) < 8 else {
            return anywhere / 60 * 60
        }
        return (change.at.secondsSinceEpoch + Int64.random(in: -30 * 3600...6 * 3600, using: &generator)) / 60 * 60
    }

    @Test("are the same, near changes of the clock above all", arguments: zones)
    func walk(name: String) throws {
        var generator = SeededGenerator(state: name.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) })
        let zone = try zone(name)
        let since = try #require(Instant(rfc3339: "1973-01-01T00:00:00Z"))
        let changes = zone.changes(after: since, through: Instant(secondsSinceEpoch: 4_102_444_800))
        var fires = 0
        for _ in 0..<40 { fires += try compare(zone, changes, hours: 48, using: &generator) }
        #expect(fires > 100)
    }

    @Test("are the same in every zone of the host", .timeLimit(.minutes(2)))
    func allZones() throws {
        var generator = SeededGenerator(state: 1)
        let since = try #require(Instant(rfc3339: "1973-01-01T00:00:00Z"))
        var fires = 0
        for name in HostZones.distinct {
            let zone = try zone(name)
            let changes = zone.changes(after: since, through: Instant(secondsSinceEpoch: 4_102_444_800))
            for _ in 0..<2 { fires += try compare(zone, changes, hours: 36, using: &generator) }
        }
        #expect(fires > 5000)
    }

    /// Compares a random expression's fires in a random span, and how many there were.
    private func compare(
        _ zone: ZoneRules, _ changes: [ZoneChange], hours: Int64, using generator: inout SeededGenerator
    ) throws -> Int {
        let random = RandomExpression(using: &generator, rareDays: 2)
        guard let expression = try? CronExpression(random.text, days: random.rule) else { return 0 }
        let schedule = ZonedSchedule(expression: expression, zone: zone)
        let start = Self.instant(in: zone, changes: changes, using: &generator)
        let end = start + (random.seconds == nil ? hours * 3600 : 2 * 3600)
        let expected = NaiveWalk(expression: random, zone: zone).fires(after: start, through: end)
        var found: [Int64] = []
        var last = Instant(secondsSinceEpoch: start)
        while let next = schedule.next(after: last), next.secondsSinceEpoch <= end {
            #expect(next > last)
            found.append(next.secondsSinceEpoch)
            last = next
        }
        let name = Comment(rawValue: "\"\(random.text)\" (\(random.rule)) in \(zone.identifier) after \(start)")
        try #require(found == expected, name)
        // From anywhere in between, the next, the latest and their number are those of the walk.
        let from = Instant(secondsSinceEpoch: Int64.random(in: start...end, using: &generator))
        let to = Instant(secondsSinceEpoch: Int64.random(in: start...end, using: &generator))
        let between = expected.filter { $0 > from.secondsSinceEpoch && $0 <= to.secondsSinceEpoch }
        #expect(schedule.latest(after: from, through: to)?.secondsSinceEpoch == between.last, name)
        #expect(schedule.count(after: from, through: to, limit: .max) == between.count, name)
        let after = expected.first { $0 > from.secondsSinceEpoch }
        if let after { #expect(schedule.next(after: from)?.secondsSinceEpoch == after, name) }
        return found.count
    }

    @Test("are on the same days for six years, whatever the day fields say")
    func days() throws {
        var generator = SeededGenerator(state: 11)
        let first = Civil.days(year: 2027, month: 1, day: 1)
        let last = Civil.days(year: 2033, month: 1, day: 1)
        var refused = 0
        for _ in 0..<250 {
            var random = RandomExpression(using: &generator, rareDays: 8, withSeconds: 0)
            (random.minutes, random.hours) = (.init(text: "30", values: [30]), .init(text: "2", values: [2]))
            let expected = (first..<last).filter {
                let date = Civil.date(days: $0)
                return random.matchesDay(year: date.year, month: date.month, day: date.day)
            }
            let expression: CronExpression
            do {
                expression = try CronExpression(random.text, days: random.rule)
            } catch {
                // Only for want of a day, and then there is none.
                #expect(error.reason.contains("can never fire"), "\(random.text)")
                #expect(expected.isEmpty, "\(random.text)")
                refused += 1
                continue
            }
            let schedule = ZonedSchedule(expression: expression, zone: .utc)
            var found: [Int64] = []
            var at = Instant(secondsSinceEpoch: first * 86400)
            while let next = schedule.next(after: at), next.secondsSinceEpoch < last * 86400 {
                #expect(next.secondsSinceEpoch % 86400 == 9000)
                found.append(next.secondsSinceEpoch / 86400)
                at = next
            }
            try #require(found == expected, "\"\(random.text)\" (\(random.rule))")
        }
        #expect(refused < 60)
    }

    @Test("a weekly interval keeps both passes of the repeated hour")
    func weeklyInterval() throws {
        // The next time on the wall is a week off, and yet the clock shows this one a second time.
        let schedule = try schedule("*/30 1 * * SUN", "America/New_York")
        #expect(
            try fires(schedule, after: "2026-11-01T04:00:00Z", count: 5) == [
                "2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z", "2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z",
                "2026-11-08T06:00:00Z",
            ])
    }

    @Test("the process's own zone does not matter", arguments: ["Asia/Kolkata", "America/New_York", "right/UTC", "nonsense"])
    func processZone(name: String) async {
        await #expect(processExitsWith: .success) { [name] in
            setenv("TZ", name, 1)
            tzset()
            let fires = try ScheduleTests.fires(
                schedule("30 2 * * *", "America/New_York"), after: "2026-03-07T17:00:00Z", count: 2)
            #expect(fires == ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"])
        }
    }
}
