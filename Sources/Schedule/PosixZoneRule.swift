/// The rule for the years beyond a zone file's table (POSIX.1, TZ; RFC 8536, section 3.3.1: times from -167 to 167 hours).
struct PosixZoneRule: Hashable, Sendable {
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
    }

    private let standard: ZoneRules.Kind
    private let daylight: ZoneRules.Kind?
    private let begin: Change?
    private let end: Change?

    init?(_ text: String) {
        var parser = Parser(Array(text.utf8))
        guard let name = parser.name(), let west = parser.time() else { return nil }
        standard = ZoneRules.Kind(offset: -west, isDaylight: false, abbreviation: name)
        guard !parser.isAtEnd else {
            (daylight, begin, end) = (nil, nil, nil)
            return
        }
        guard let daylightName = parser.name() else { return nil }
        var offset = -west + 3600
        if !parser.isAtEnd, !parser.isAt(",") {
            guard let daylightWest = parser.time() else { return nil }
            offset = -daylightWest
        }
        daylight = ZoneRules.Kind(offset: offset, isDaylight: true, abbreviation: daylightName)
        guard let begin = parser.change(), let end = parser.change(), parser.isAtEnd else { return nil }
        self.begin = begin
        self.end = end
    }

    /// The stretch of constant offset at a second, where the zone file's table has ended.
    func segment(at second: Int64, notBefore limit: Int64) -> ZoneRules.Segment {
        guard let daylight, let begin, let end else {
            return ZoneRules.Segment(
                offset: standard.offset, isDaylight: false, abbreviation: standard.abbreviation, start: limit, end: .max)
        }
        let year = Civil.date(days: floorDivide(second, 86400)).year
        var changes: [(at: Int64, kind: ZoneRules.Kind)] = []
        for year in year - 1...year + 1 {
            changes.append((at(begin, year: year) - Int64(standard.offset), daylight))
            changes.append((at(end, year: year) - Int64(daylight.offset), standard))
        }
        changes.sort { $0.at < $1.at }
        // A zone that is on daylight time all the year says so with changes that meet; they are no changes.
        var current = changes[0]
        var start = current.at
        var index = 1
        while index < changes.count, changes[index].at <= second {
            if changes[index].kind != current.kind { start = changes[index].at }
            current = changes[index]
            index += 1
        }
        while index < changes.count,
            changes[index].kind == current.kind
                || (index + 1 < changes.count && changes[index].at == changes[index + 1].at)
        { index += changes[index].kind == current.kind ? 1 : 2 }
        return ZoneRules.Segment(
            offset: current.kind.offset, isDaylight: current.kind.isDaylight, abbreviation: current.kind.abbreviation,
            start: max(start, limit), end: index < changes.count ? changes[index].at : changes[changes.count - 1].at)
    }

    /// The change's local time in a year, as if it were UTC.
    private func at(_ change: Change, year: Int) -> Int64 {
        let firstDay = Civil.days(year: year, month: 1, day: 1)
        let day: Int64
        switch change.day {
        case .julian(let number): day = firstDay + Int64(number - 1 + (Civil.isLeap(year) && number >= 60 ? 1 : 0))
        case .ordinal(let number): day = firstDay + Int64(number)
        case .weekday(let month, let week, let weekday):
            let first = Civil.days(year: year, month: month, day: 1)
            var date = 1 + (weekday - Civil.weekday(days: first) + 7) % 7 + (week - 1) * 7
            if date > Civil.daysIn(month: month, of: year) { date -= 7 }
            day = first + Int64(date - 1)
        }
        return day * 86400 + Int64(change.time)
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

        mutating func name() -> String? {
            let isQuoted = skip("<")
            let start = index
            while index < bytes.count,
                isQuoted ? bytes[index] != UInt8(ascii: ">") : Character(UnicodeScalar(bytes[index])).isLetter
            {
                index += 1
            }
            let name = String(decoding: bytes[start..<index], as: UTF8.self)
            if isQuoted, !skip(">") { return nil }
            return name.utf8.count >= 3 ? name : nil
        }

        mutating func number() -> Int? {
            let start = index
            while index < bytes.count, (48...57).contains(bytes[index]) { index += 1 }
            return index > start && index - start < 5 ? Int(String(decoding: bytes[start..<index], as: UTF8.self)) : nil
        }

        mutating func time() -> Int? {
            let isNegative = skip("-")
            if !isNegative { _ = skip("+") }
            guard var seconds = number().map({ $0 * 3600 }) else { return nil }
            if skip(":") {
                guard let minutes = number() else { return nil }
                seconds += minutes * 60
                if skip(":") {
                    guard let rest = number() else { return nil }
                    seconds += rest
                }
            }
            return isNegative ? -seconds : seconds
        }

        mutating func change() -> Change? {
            guard skip(",") else { return nil }
            let day: Day
            if skip("M") {
                guard let month = number(), skip("."), let week = number(), skip("."), let weekday = number(),
                    (1...12).contains(month), (1...5).contains(week), (0...6).contains(weekday)
                else { return nil }
                day = .weekday(month: month, week: week, day: weekday)
            } else if skip("J") {
                guard let number = number(), (1...365).contains(number) else { return nil }
                day = .julian(number)
            } else {
                guard let number = number(), (0...365).contains(number) else { return nil }
                day = .ordinal(number)
            }
            guard skip("/") else { return Change(day: day, time: 7200) }
            guard let time = time() else { return nil }
            return Change(day: day, time: time)
        }
    }
}
