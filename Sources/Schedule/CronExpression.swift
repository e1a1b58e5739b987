/// When something is due, in fields of the wall clock (crontab(5), with the additions named at each field).
package struct CronExpression: Hashable, Sendable, CustomStringConvertible {
    /// What holds when day of month and day of week are both restricted.
    package enum DayRule: String, Hashable, Sendable {
        /// Either matches; both must if one of the two begins with `*` (Vixie cron, as Debian ships it).
        case vixie
        /// Both must match.
        case and
        /// Either matches, also if one of the two begins with `*` and a step.
        case or
    }

    /// How the expression behaves where the wall clock jumps.
    package enum Class: String, Hashable, Sendable {
        /// Once a local day for each of its times.
        case fixed
        /// Along real time.
        case interval
    }

    /// A day of the month beyond plain numbers.
    enum MonthDay: Hashable, Sendable {
        /// So many days before the last: `L` is 0, `L-3` is 3.
        case last(before: Int)
        /// The weekday nearest to a day, within its month: `15W`.
        case nearestWeekday(Int)
        /// The last Monday to Friday: `LW`.
        case lastWeekday
    }

    /// A day of the week beyond plain numbers.
    enum WeekDay: Hashable, Sendable {
        /// The n-th of the month: `FRI#2`.
        case nth(Int, weekday: Int)
        /// The last of the month: `5L`.
        case last(weekday: Int)
    }

    /// The expression as it was given.
    package let text: String
    /// What holds when both day fields are restricted.
    package let dayRule: DayRule
    /// The step of `@every`, in seconds from the epoch; all else is then unused.
    let every: Int64?
    let hasSeconds: Bool
    let seconds: UInt64
    let minutes: UInt64
    let hours: UInt64
    let monthDays: UInt64
    let months: UInt64
    let weekDays: UInt64
    let specialMonthDays: [MonthDay]
    let specialWeekDays: [WeekDay]
    /// Whether a day must match both day fields, rather than one of them.
    let needsBothDays: Bool
    /// How the expression behaves where the wall clock jumps: interval if its minute or hour field begins with `*` or
    /// covers its whole range, or if it counts seconds; else fixed.
    package let scheduleClass: Class

    /// The expression as it was given.
    package var description: String { text }

    /// Reads an expression.
    ///
    /// - Throws: ``CronExpressionError`` with field, column, reason and what would be accepted.
    package init(_ text: String, days dayRule: DayRule = .vixie) throws(CronExpressionError) {
        let fields = try CronParser(text: text).parse()
        self.text = text
        self.dayRule = dayRule
        every = fields.every
        hasSeconds = fields.hasSeconds
        seconds = fields.second.bits
        minutes = fields.minute.bits
        hours = fields.hour.bits
        monthDays = fields.monthDay.bits
        months = fields.month.bits
        weekDays = fields.weekDay.bits
        specialMonthDays = fields.monthDay.specialMonthDays
        specialWeekDays = fields.weekDay.specialWeekDays
        needsBothDays =
            switch dayRule {
            case .vixie: fields.monthDay.beginsWithStar || fields.weekDay.beginsWithStar
            case .and: true
            // A plain star restricts nothing, and so is no part of an "or".
            case .or: fields.monthDay.text == "*" || fields.weekDay.text == "*"
            }
        let followsRealTime =
            fields.every != nil || fields.hasSeconds || fields.minute.beginsWithStar || fields.hour.beginsWithStar
            || fields.minute.bits == CronUnit.minute.all || fields.hour.bits == CronUnit.hour.all
        scheduleClass = followsRealTime ? .interval : .fixed
        guard fields.every != nil || canEverFire else {
            throw CronExpressionError(
                field: CronUnit.monthDay.title, column: fields.monthDay.column,
                reason: "no month that is named has such a day, so \(CronParser.quoted(text)) can never fire",
                accepted: "give a day that exists, or L for the last day of the month")
        }
    }

    /// The days of a month that match, bit n standing for day n.
    func days(year: Int, month: Int) -> UInt64 {
        guard months & (1 << UInt64(month)) != 0 else { return 0 }
        let length = Civil.daysIn(month: month, of: year)
        let existing = ((1 as UInt64) << UInt64(length + 1)) - 2
        let firstWeekday = Civil.weekday(days: Civil.days(year: year, month: month, day: 1))
        let byMonthDay = daysByMonthDay(length: length, firstWeekday: firstWeekday) & existing
        let byWeekDay = daysByWeekDay(length: length, firstWeekday: firstWeekday) & existing
        return needsBothDays ? byMonthDay & byWeekDay : byMonthDay | byWeekDay
    }

    /// The days that the field of the day of month names, in a month of a length that begins on a weekday; bits beyond
    /// the month's end are meaningless.
    func daysByMonthDay(length: Int, firstWeekday: Int) -> UInt64 {
        var days = monthDays
        for special in specialMonthDays {
            switch special {
            case .last(let before): if before < length { days |= 1 << UInt64(length - before) }
            case .lastWeekday: days |= 1 << UInt64(nearestWeekday(to: length, length, firstWeekday, onlyBack: true))
            case .nearestWeekday(let day):
                if day <= length { days |= 1 << UInt64(nearestWeekday(to: day, length, firstWeekday, onlyBack: false)) }
            }
        }
        return days
    }

    /// The days that the field of the day of week names, in a month of a length that begins on a weekday; bits beyond
    /// the month's end are meaningless.
    private func daysByWeekDay(length: Int, firstWeekday: Int) -> UInt64 {
        guard weekDays != CronUnit.weekDay.all else { return .max }
        // Days 1, 8, 15, 22 and 29, and those of the other weekdays by shifting them.
        let everySeventh: UInt64 = 1 << 1 | 1 << 8 | 1 << 15 | 1 << 22 | 1 << 29
        func first(_ weekday: Int) -> Int { 1 + (weekday - firstWeekday + 7) % 7 }
        var days: UInt64 = 0
        for weekday in 0..<7 where weekDays & (1 << UInt64(weekday)) != 0 {
            days |= everySeventh << UInt64(first(weekday) - 1)
        }
        for special in specialWeekDays {
            switch special {
            case .nth(let number, let weekday): days |= 1 << UInt64(first(weekday) + (number - 1) * 7)
            case .last(let weekday):
                days |= 1 << UInt64(first(weekday) + (length - first(weekday)) / 7 * 7)
            }
        }
        return days
    }

    private func nearestWeekday(to day: Int, _ length: Int, _ firstWeekday: Int, onlyBack: Bool) -> Int {
        switch (firstWeekday + day - 1) % 7 {
        case 6: day > 1 ? day - 1 : day + 2  // Saturday
        case 0: !onlyBack && day < length ? day + 1 : day - 2  // Sunday
        default: day
        }
    }

    /// Decided over the calendar's whole cycle of 400 years: that is a whole number of weeks, so a year in it is one of
    /// fourteen, by its first weekday and whether it is a leap year, and these 28 years have them all.
    private var canEverFire: Bool {
        for year in 2000..<2028 {
            for month in 1...12 where days(year: year, month: month) != 0 { return true }
        }
        return false
    }
}
