import Schedule

/// A cron expression made up by chance, together with what it means: the maker knows the values that it wrote down, so
/// nothing here depends on the parser or the search.
struct RandomExpression: Sendable {
    /// A field as text and as values.
    struct Field: Sendable {
        var text = "*"
        var values: Set<Int>
        /// Texts such as `L-3` or `5#2`, told apart by ``RandomExpression/matchesDay(year:month:day:)``.
        var specials: [Special] = []

        var beginsWithStar: Bool { text.first == "*" }
    }

    enum Special: Hashable, Sendable {
        case last(before: Int)
        case nearestWeekday(Int)
        case lastWeekday
        case nth(Int, weekday: Int)
        case lastOf(weekday: Int)
    }

    /// Which specials may be made up.
    struct Specials: OptionSet {
        let rawValue: Int
        static let last = Specials(rawValue: 1)
        static let nearest = Specials(rawValue: 2)
        static let nth = Specials(rawValue: 4)
        static let lastOf = Specials(rawValue: 8)
        static let all: Specials = [.last, .nearest, .nth, .lastOf]
    }

    var seconds: Field?
    var minutes: Field
    var hours: Field
    var monthDays: Field
    var months: Field
    var weekDays: Field
    var rule: CronExpression.DayRule

    var text: String {
        ([seconds].compactMap { $0 } + [minutes, hours, monthDays, months, weekDays]).map(\.text).joined(separator: " ")
    }

    /// Whether it follows real time.
    var isInterval: Bool {
        seconds != nil || minutes.beginsWithStar || hours.beginsWithStar || minutes.values.count == 60
            || hours.values.count == 24
    }

    var needsBothDays: Bool {
        switch rule {
        case .vixie: monthDays.beginsWithStar || weekDays.beginsWithStar
        case .and: true
        case .or: monthDays.text == "*" || weekDays.text == "*"
        }
    }

    /// The meaning of the day fields, day by day.
    func matchesDay(year: Int, month: Int, day: Int) -> Bool {
        guard months.values.contains(month) else { return false }
        let length = Civil.daysIn(month: month, of: year)
        func weekday(_ day: Int) -> Int { Civil.weekday(days: Civil.days(year: year, month: month, day: day)) }
        func isWorkday(_ day: Int) -> Bool { (1...5).contains(weekday(day)) }
        let byMonthDay =
            monthDays.values.contains(day)
            || monthDays.specials.contains { special in
                switch special {
                case .last(let before): return day == length - before
                case .lastWeekday: return day == (1...length).last(where: isWorkday)
                case .nearestWeekday(let target):
                    guard target <= length else { return false }
                    return day == (1...length).filter(isWorkday).min { abs($0 - target) < abs($1 - target) }
                default: return false
                }
            }
        let byWeekDay =
            weekDays.values.contains(weekday(day))
            || weekDays.specials.contains { special in
                switch special {
                case .nth(let number, let wanted): return weekday(day) == wanted && (day - 1) / 7 + 1 == number
                case .lastOf(let wanted): return weekday(day) == wanted && day + 7 > length
                default: return false
                }
            }
        return needsBothDays ? byMonthDay && byWeekDay : byMonthDay || byWeekDay
    }

    /// Whether a time on the wall matches, given in seconds as if it were UTC.
    func matches(local: Int64) -> Bool {
        let day = local >= 0 ? local / 86400 : (local - 86399) / 86400
        let time = Int(local - day * 86400)
        guard hours.values.contains(time / 3600), minutes.values.contains(time / 60 % 60),
            (seconds?.values ?? [0]).contains(time % 60)
        else { return false }
        let date = Civil.date(days: day)
        return matchesDay(year: date.year, month: date.month, day: date.day)
    }
}

extension RandomExpression {
    private static let monthNames = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    private static let weekDayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

    /// Makes one up.
    ///
    /// - Parameters:
    ///   - rareDays: how often of ten the day and month fields are restricted.
    ///   - withSeconds: how often of ten there is a field of seconds.
    init(
        using generator: inout SeededGenerator, specials: Specials = .all, rareDays: Int = 4, withSeconds: Int = 1,
        rules: [CronExpression.DayRule] = [.vixie, .vixie, .and, .or]
    ) {
        func chance(_ ofTen: Int) -> Bool { Int.random(in: 0..<10, using: &generator) < ofTen }
        seconds = chance(withSeconds) ? Self.field(0...59, using: &generator) : nil
        minutes = Self.field(0...59, using: &generator)
        hours = chance(3) ? Field(values: Set(0...23)) : Self.field(0...23, using: &generator)
        monthDays = chance(rareDays) ? Self.field(1...31, using: &generator) : Field(values: Set(1...31))
        months = chance(rareDays / 2) ? Self.field(1...12, names: Self.monthNames, using: &generator) : Field(values: Set(1...12))
        weekDays =
            chance(rareDays) ? Self.field(0...6, names: Self.weekDayNames, using: &generator) : Field(values: Set(0...6))
        rule = rules.randomElement(using: &generator) ?? .vixie
        if chance(rareDays / 2) { addMonthDays(specials, using: &generator) }
        if chance(rareDays / 2) { addWeekDays(specials, using: &generator) }
    }

    private mutating func addMonthDays(_ specials: Specials, using generator: inout SeededGenerator) {
        var choices: [(String, Special)] = []
        let day = Int.random(in: 1...31, using: &generator)
        let before = Int.random(in: 1...30, using: &generator)
        if specials.contains(.last) { choices += [("L", .last(before: 0)), ("l-\(before)", .last(before: before))] }
        if specials.contains(.nearest) { choices += [("LW", .lastWeekday), ("\(day)W", .nearestWeekday(day))] }
        guard let (text, special) = choices.randomElement(using: &generator) else { return }
        let replaces = monthDays.text == "*" || Bool.random(using: &generator)
        monthDays = Field(
            text: replaces ? text : "\(monthDays.text),\(text)", values: replaces ? [] : monthDays.values, specials: [special])
    }

    private mutating func addWeekDays(_ specials: Specials, using generator: inout SeededGenerator) {
        var choices: [(String, Special)] = []
        let day = Int.random(in: 0...6, using: &generator)
        let number = Int.random(in: 1...5, using: &generator)
        let name = Bool.random(using: &generator) ? Self.weekDayNames[day] : "\(day)"
        if specials.contains(.nth) { choices.append(("\(name)#\(number)", .nth(number, weekday: day))) }
        if specials.contains(.lastOf) { choices.append(("\(name)L", .lastOf(weekday: day))) }
        guard let (text, special) = choices.randomElement(using: &generator) else { return }
        let replaces = weekDays.text == "*" || Bool.random(using: &generator)
        weekDays = Field(
            text: replaces ? text : "\(weekDays.text),\(text)", values: replaces ? [] : weekDays.values, specials: [special])
    }

    private static func field(
        _ range: ClosedRange<Int>, names: [String] = [], using generator: inout SeededGenerator
    ) -> Field {
        var texts: [String] = []
        var values: Set<Int> = []
        let count = [1, 1, 1, 2, 3].randomElement(using: &generator) ?? 1
        for _ in 0..<count {
            let first = Int.random(in: range, using: &generator)
            let last = Int.random(in: range, using: &generator)
            let step = Int.random(in: 1...min(range.count, 20), using: &generator)
            let name = { (value: Int) in names.isEmpty || step % 2 == 0 ? "\(value)" : names[value - range.lowerBound] }
            // The values from the first to the last, over the end if need be, by counting on.
            var run = [first]
            while run[run.count - 1] != last {
                run.append(run[run.count - 1] == range.upperBound ? range.lowerBound : run[run.count - 1] + 1)
            }
            let everyStep = { (run: [Int]) in run.enumerated().filter { $0.offset % step == 0 }.map(\.element) }
            switch Int.random(in: 0..<10, using: &generator) {
            case 0:
                texts.append("*")
                values.formUnion(range)
            case 1, 2:
                texts.append("*/\(step)")
                values.formUnion(everyStep(Array(range)))
            case 3:
                texts.append("\(name(first))/\(step)")
                values.formUnion(everyStep(Array(first...range.upperBound)))
            case 4:
                texts.append("\(name(first))-\(name(last))/\(step)")
                values.formUnion(everyStep(run))
            case 5, 6:
                texts.append("\(name(first))-\(name(last))")
                values.formUnion(run)
            default:
                texts.append(name(first))
                values.insert(first)
            }
        }
        return Field(text: texts.joined(separator: ","), values: values)
    }
}
