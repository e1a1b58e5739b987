/// The rule for the years beyond a zone file's table (POSIX.1, TZ; RFC 8536, section 3.3.1: times from -167 to 167 hours).
struct PosixZoneRule: Hashable, Sendable {
    /// The offsets that occur: RFC 8536, section 3.2, gives them as more than -25 and less than 26 hours.
    static let offsets = -25 * 3600 + 1...26 * 3600 - 1

    private enum Day: Hashable {
        /// `Jn`: 1 to 365, 29 February never counted.
        case julian(Int)
        /// `n`: 0 to 365, 29 February counted.
        case ordinal(Int)
        /// `Mm.w.d`: the w-th weekday d of month m, 5 being the last.
        case weekday(month: Int, week: Int, day: Int)
    }

    private struct Change: Hashable {
        let day: Day
        /// Seconds after midnight of the local time before the change.
        let time: Int

        /// The change's local time in a year, as if it were UTC.
        func local(in year: Int) -> Int64 {
            let number: Int64
            switch day {
            case .julian(let day):
                number = Civil.days(year: year, month: 1, day: 1) + Int64(day - 1 + (Civil.isLeap(year) && day >= 60 ? 1 : 0))
            case .ordinal(let day):
                number = Civil.days(year: year, month: 1, day: 1) + Int64(day)
            case .weekday(let month, let week, let weekday):
                let first = Civil.days(year: year, month: month, day: 1)
                var date = 1 + (weekday - Civil.weekday(days: first) + 7) % 7 + (week - 1) * 7
                if date > Civil.daysIn(month: month, of: year) { date -= 7 }
                number = first + Int64(date - 1)
            }
            return number * 86400 + Int64(time)
        }
    }

    /// Two changes a year: from `standard` to `daylight` and back.
    private struct Changes: Hashable {
        let daylight: ZoneRules.Kind
        let begin: Change
        let end: Change
    }

    private let standard: ZoneRules.Kind
    /// `nil` where one offset holds for good.
    private let changes: Changes?

    /// Reads a rule; `nil` if it is none.
    init?(_ text: String) {
        var parser = Parser(Array(text.utf8))
        guard let name = parser.name(), let west = parser.time(), Self.offsets.contains(-west) else { return nil }
        let standard = ZoneRules.Kind(offset: -west, isDaylight: false, abbreviation: name)
        guard !parser.isAtEnd else {
            (self.standard, changes) = (standard, nil)
            return
        }
        guard let daylightName = parser.name() else { return nil }
        var offset = -west + 3600
        if !parser.isAtEnd, !parser.isAt(",") {
            guard let daylightWest = parser.time() else { return nil }
            offset = -daylightWest
        }
        guard Self.offsets.contains(offset), let begin = parser.change(), let end = parser.change(), parser.isAtEnd else {
            return nil
        }
        let daylight = ZoneRules.Kind(offset: offset, isDaylight: true, abbreviation: daylightName)
        // A zone that is on daylight time all the year says so with an end that meets the next beginning.
        let isPermanent = (2000..<2028).allSatisfy { year in
            end.local(in: year) - Int64(daylight.offset) == begin.local(in: year + 1) - Int64(standard.offset)
        }
        if isPermanent {
            (self.standard, changes) = (daylight, nil)
        } else {
            (self.standard, changes) = (standard, Changes(daylight: daylight, begin: begin, end: end))
        }
    }

    /// The stretch of constant offset at a second, where the zone file's table has ended at `limit`.
    ///
    /// Whatever the rule says, the second lies in the stretch, so that a walk from stretch to stretch always gets on.
    func segment(at second: Int64, notBefore limit: Int64) -> ZoneRules.Segment {
        guard let changes else { return segment(standard, from: limit, to: .max) }
        let year = Civil.date(days: floorDivide(second, 86400)).year
        var current: (at: Int64, isDaylight: Bool)?
        var next: (at: Int64, isDaylight: Bool)?
        // A change may come up to a week before or after its day, so the neighbouring years are looked at as well.
        for year in year - 1...year + 1 {
            let begin = changes.begin.local(in: year) - Int64(standard.offset)
            let end = changes.end.local(in: year) - Int64(changes.daylight.offset)
            for change in [(at: begin, isDaylight: true), (at: end, isDaylight: false)] {
                if change.at <= second {
                    if current.map({ $0.at <= change.at }) ?? true { current = change }
                } else if next.map({ change.at < $0.at }) ?? true {
                    next = change
                }
            }
        }
        let isDaylight = current?.isDaylight ?? !(next?.isDaylight ?? true)
        return segment(
            isDaylight ? changes.daylight : standard, from: max(current?.at ?? limit, limit), to: next?.at ?? .max)
    }

    private func segment(_ kind: ZoneRules.Kind, from start: Int64, to end: Int64) -> ZoneRules.Segment {
        ZoneRules.Segment(
            offset: kind.offset, isDaylight: kind.isDaylight, abbreviation: kind.abbreviation, start: start, end: end)
    }

    private struct Parser {
        let bytes: [UInt8]
        var index = 0

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        var isAtEnd: Bool { index >= bytes.count }

        func isAt(_ character: Unicode.Scalar) -> Bool { index < bytes.count && bytes[index] == UInt8(ascii: character) }

        mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard isAt(character) else { return false }
            index += 1
            return true
        }

        /// Letters, or letters, digits and signs in angle brackets.
        mutating func name() -> String? {
            let isQuoted = skip("<")
            let start = index
            while index < bytes.count, Self.isLetter(bytes[index]) || isQuoted && Self.isDigitOrSign(bytes[index]) {
                index += 1
            }
            let name = String(decoding: bytes[start..<index], as: UTF8.self)
            if isQuoted, !skip(">") { return nil }
            return name.utf8.count >= 3 ? name : nil
        }

        private static func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte) || (97...122).contains(byte) }

        private static func isDigitOrSign(_ byte: UInt8) -> Bool {
            (48...57).contains(byte) || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
        }

        mutating func number(in range: ClosedRange<Int>) -> Int? {
            let start = index
            while index < bytes.count, (48...57).contains(bytes[index]) { index += 1 }
            guard index > start, index - start < 5, let number = Int(String(decoding: bytes[start..<index], as: UTF8.self)),
                range.contains(number)
            else { return nil }
            return number
        }

        mutating func time() -> Int? {
            let isNegative = skip("-")
            if !isNegative { _ = skip("+") }
            guard var seconds = number(in: 0...167).map({ $0 * 3600 }) else { return nil }
            if skip(":") {
                guard let minutes = number(in: 0...59) else { return nil }
                seconds += minutes * 60
                if skip(":") {
                    guard let rest = number(in: 0...59) else { return nil }
                    seconds += rest
                }
            }
            return isNegative ? -seconds : seconds
        }

        mutating func change() -> Change? {
            guard skip(",") else { return nil }
            let day: Day
            if skip("M") {
                guard let month = number(in: 1...12), skip("."), let week = number(in: 1...5), skip("."),
                    let weekday = number(in: 0...6)
                else { return nil }
                day = .weekday(month: month, week: week, day: weekday)
            } else if skip("J") {
                guard let number = number(in: 1...365) else { return nil }
                day = .julian(number)
            } else {
                guard let number = number(in: 0...365) else { return nil }
                day = .ordinal(number)
            }
            guard skip("/") else { return Change(day: day, time: 7200) }
            return time().map { Change(day: day, time: $0) }
        }
    }
}
