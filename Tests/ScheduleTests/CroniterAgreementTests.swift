import Schedule
import Testing

@Suite("Fires beside croniter's")
struct CroniterAgreementTests {
    /// What croniter 1.3 does otherwise, and we know of.
    enum Difference: Hashable {
        /// From a February that lacks a day of the list it goes on behind the first days of March.
        case earlyMarchSkipped
        /// One of the two passes of a repeated time is left out.
        case onePassOnly
        /// A time in a gap comes as late after the gap's end as it would have been in the gap.
        case shiftedOutOfGap
        /// Behind a change of the zone it goes by the offset of before, or makes up for the change once too often, until a
        /// day is over; its fires are times of the schedule by the offset of before, or twice set.
        case otherOffset
    }

    private struct Sample {
        let random: RandomExpression
        let schedule: ZonedSchedule
        let start: Int64
        let line: String
    }

    private static let script = """
        import signal, sys
        from datetime import datetime
        from zoneinfo import ZoneInfo
        from croniter import croniter
        class TooLong(Exception): pass
        def stop(*_): raise TooLong()
        signal.signal(signal.SIGALRM, stop)
        for line in sys.stdin:
            text, zone, start, count, either = line.rstrip("\\n").split("\\t")
            fires = []
            signal.setitimer(signal.ITIMER_REAL, 2)
            try:
                at = croniter(text, datetime.fromtimestamp(int(start), ZoneInfo(zone)), day_or=either == "1")
                for _ in range(int(count)):
                    fires.append(str(int(at.get_next(datetime).timestamp())))
            except Exception as error:
                fires.append(type(error).__name__ + " " + str(error))
            signal.setitimer(signal.ITIMER_REAL, 0)
            print(",".join(fires))
        """

    /// croniter's way to write it, seconds last; `nil` where it has none.
    static func text(_ random: RandomExpression) -> (text: String, either: Bool)? {
        func list(_ field: RandomExpression.Field, _ all: Int) -> String {
            field.values.count == all ? "*" : field.values.sorted().map { "\($0)" }.joined(separator: ",")
        }
        var monthDays = list(random.monthDays, 31)
        var weekDays = list(random.weekDays, 7)
        if let special = random.monthDays.specials.first {
            // In a list with other days it forgets some of them.
            guard special == .last(before: 0), random.monthDays.values.isEmpty else { return nil }
            monthDays = "l"
        }
        if let special = random.weekDays.specials.first {
            // To croniter the n-th weekday and the day of month must always both match, and not even that with some days.
            guard random.weekDays.values.isEmpty, random.monthDays.values.count == 31 else { return nil }
            switch special {
            case .nth(let number, let weekday): weekDays = "\(weekday)#\(number)"
            case .lastOf(let weekday): weekDays = "L\(weekday)"
            default: return nil
            }
        }
        // To croniter a field that has all values restricts nothing, so "either" would mean the other one alone.
        if !random.needsBothDays, random.monthDays.values.count == 31 || random.weekDays.values.count == 7 {
            (monthDays, weekDays) = ("*", "*")
        }
        let fields = [list(random.minutes, 60), list(random.hours, 24), monthDays, list(random.months, 12), weekDays]
        let second = random.seconds.map { [list($0, 60)] } ?? []
        return ((fields + second).joined(separator: " "), !random.needsBothDays)
    }

    private func samples(count: Int, zones: [String], rareDays: Int, seed: UInt64) throws -> [Sample] {
        var generator = SeededGenerator(state: seed)
        var samples: [Sample] = []
        let since = try #require(Instant(rfc3339: "1990-01-01T00:00:00Z"))
        while samples.count < count {
            let name = zones.randomElement(using: &generator) ?? "UTC"
            let zone = try zone(name)
            let changes = zone.changes(after: since, through: Instant(secondsSinceEpoch: 4_000_000_000))
            for _ in 0..<50 {
                let random = RandomExpression(using: &generator, specials: [.last, .nth, .lastOf], rareDays: rareDays)
                guard let other = Self.text(random), let expression = try? CronExpression(random.text, days: random.rule)
                else { continue }
                let start = NaiveWalkTests.instant(in: zone, changes: changes, using: &generator)
                samples.append(
                    Sample(
                        random: random, schedule: ZonedSchedule(expression: expression, zone: zone), start: start,
                        line: "\(other.text)\t\(name)\t\(start)\t5\t\(other.either ? 1 : 0)"))
            }
        }
        return samples
    }

    @Test(
        "are the same for 5,000 schedules with and 5,000 without changes of the clock, or differ where croniter is known to",
        .timeLimit(.minutes(2)), arguments: [(["UTC"], 6), (NaiveWalkTests.zones, 3)])
    func agree(zones: [String], rareDays: Int) async throws {
        let samples = try samples(count: 5000, zones: zones, rareDays: rareDays, seed: UInt64(rareDays))
        let answers = try await OtherPrograms.python(Self.script, input: samples.map(\.line))
        try #require(answers.count == samples.count)
        var seen: [Difference: Int] = [:]
        var agreed = 0
        for (sample, answer) in zip(samples, answers) {
            let comment = Comment(rawValue: "\"\(sample.random.text)\" (\(sample.random.rule)) as \(sample.line): \(answer)")
            let found = try Self.differences(sample, answer.split(separator: ",").map(String.init))
            for difference in found {
                guard let difference else {
                    Issue.record(comment)
                    continue
                }
                seen[difference, default: 0] += 1
            }
            if found.isEmpty { agreed += 1 }
        }
        #expect(agreed > samples.count * (zones.count == 1 ? 99 : 60) / 100, "\(agreed) of \(samples.count), \(seen)")
    }

    /// Asks after each fire of croniter's what comes next; what it says otherwise is a difference, `nil` if unexplained.
    private static func differences(_ sample: Sample, _ answer: [String]) throws -> [Difference?] {
        let schedule = sample.schedule
        let random = sample.random
        var found: [Difference?] = []
        let place = FirePlace(zone: schedule.zone, expression: random)
        var last = sample.start
        for text in answer {
            guard let theirs = Int64(text), let ours = next(schedule, last) else { return found + [nil] }
            if theirs != ours {
                found.append(explanation(ours: ours, theirs: theirs, after: last, start: sample.start, schedule, place))
            }
            last = theirs
        }
        return found
    }

    private static func next(_ schedule: ZonedSchedule, _ second: Int64) -> Int64? {
        schedule.next(after: Instant(secondsSinceEpoch: second))?.secondsSinceEpoch
    }

    private static func explanation(
        ours: Int64, theirs: Int64, after last: Int64, start: Int64, _ schedule: ZonedSchedule, _ place: FirePlace
    ) -> Difference? {
        let (before, due) = (Civil.date(days: place.wall(last) / 86400), Civil.date(days: place.wall(ours) / 86400))
        let lacksDay = place.expression.monthDays.values.contains { $0 > Civil.daysIn(month: 2, of: before.year) }
        if before.month == 2, due.month == 3, due.day <= 3, lacksDay { return .earlyMarchSkipped }
        if place.isMadeUp(at: ours), let change = place.change(at: ours) {
            // The time in the gap, had the clock not been set.
            let unset = place.wallWithout(change, theirs)
            if theirs > ours, place.expression.matches(local: unset) { return .shiftedOutOfGap }
        }
        if place.expression.isInterval, place.otherPass(of: ours) != nil {
            var later = ours
            while place.otherPass(of: later) != nil, let next = next(schedule, later) { later = next }
            if later == theirs { return .onePassOnly }
        }
        // It measures changes from where it was started, or from a fire that it has set right.
        let changes = schedule.zone.changes(
            after: Instant(secondsSinceEpoch: start - 26 * 3600), through: Instant(secondsSinceEpoch: max(ours, theirs)))
        let offsets = Set(changes.flatMap { [$0.offsetBefore, $0.offsetAfter] })
        let isOtherOffset = offsets.contains { one in
            offsets.contains { other in place.expression.matches(local: place.wall(theirs) + Int64(one - other)) }
        }
        return isOtherOffset ? .otherOffset : nil
    }
}
