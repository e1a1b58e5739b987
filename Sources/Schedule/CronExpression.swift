/// When something is due, in fields of the wall clock (crontab(5), with the additions named at each field).
package struct CronExpression: Hashable, Sendable, CustomStringConvertible {
    /// What holds when day of month and day of week are both restricted.
    package enum DayRule: String, Hashable, Sendable {
        /// Either matches; both must if one of the two begins with `*` (Vixie cron, as Debian ships it).
        case vixie
        /// Both must match.
        case and
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
    let monthDayBeginsWithStar: Bool
    let weekDayBeginsWithStar: Bool
    /// How the expression behaves where the wall clock jumps: interval if its minute or hour field begins with `*` or
    /// covers its whole range, else fixed.
    package let scheduleClass: Class

    /// The expression as it was given.
    package var description: String { text }

    /// Reads an expression.
    ///
    /// - Throws: ``CronExpressionError`` with field, column, reason and what would be accepted.
    package init(_ text: String, days dayRule: DayRule = .vixie) throws(CronExpressionError) {
        var parser = CronParser(text: text)
        let fields = try parser.parse()
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
        monthDayBeginsWithStar = fields.monthDay.beginsWithStar
        weekDayBeginsWithStar = fields.weekDay.beginsWithStar
        let followsRealTime =
            fields.every != nil || fields.hasSeconds || fields.minute.beginsWithStar || fields.hour.beginsWithStar
            || fields.minute.bits == (1 << 60) - 1 || fields.hour.bits == (1 << 24) - 1
        scheduleClass = followsRealTime ? .interval : .fixed
        guard fields.every != nil || canEverFire else {
            throw CronExpressionError(
                field: "day of month", column: fields.monthDay.column,
                reason: "no month that is named has such a day, so \"\(text)\" can never fire",
                accepted: "give a day that exists, or L for the last day of the month")
        }
    }

    /// The days of a month that match, bit n standing for day n.
    func days(year: Int, month: Int) -> UInt64 {
        guard months & (1 << UInt64(month)) != 0 else { return 0 }
        let length = Civil.daysIn(month: month, of: year)
        let existing = ((1 as UInt64) << UInt64(length + 1)) - 2
        let firstWeekday = Civil.weekday(days: Civil.days(year: year, month: month, day: 1))

        var byMonthDay = monthDays & existing
        for special in specialMonthDays {
            switch special {
            case .last(let before): if before < length { byMonthDay |= 1 << UInt64(length - before) }
            case .lastWeekday: byMonthDay |= 1 << UInt64(nearestWeekday(to: length, length, firstWeekday, onlyBack: true))
            case .nearestWeekday(let day):
                if day <= length { byMonthDay |= 1 << UInt64(nearestWeekday(to: day, length, firstWeekday, onlyBack: false)) }
            }
        }

        var byWeekDay: UInt64 = 0
        if weekDays == 0b111_1111 {
            byWeekDay = existing
        } else {
            for weekday in 0..<7 where weekDays & (1 << UInt64(weekday)) != 0 {
                var day = 1 + (weekday - firstWeekday + 7) % 7
                while day <= length {
                    byWeekDay |= 1 << UInt64(day)
                    day += 7
                }
            }
        }
        for special in specialWeekDays {
            switch special {
            case .nth(let number, let weekday):
                let day = 1 + (weekday - firstWeekday + 7) % 7 + (number - 1) * 7
                if day <= length { byWeekDay |= 1 << UInt64(day) }
            case .last(let weekday):
                let firstDay = 1 + (weekday - firstWeekday + 7) % 7
                byWeekDay |= 1 << UInt64(firstDay + (length - firstDay) / 7 * 7)
            }
        }
        let mustBoth = dayRule == .and || monthDayBeginsWithStar || weekDayBeginsWithStar
        return mustBoth ? byMonthDay & byWeekDay : byMonthDay | byWeekDay
    }

    private func nearestWeekday(to day: Int, _ length: Int, _ firstWeekday: Int, onlyBack: Bool) -> Int {
        switch (firstWeekday + day - 1) % 7 {
        case 6: day > 1 ? day - 1 : day + 2  // Saturday
        case 0: !onlyBack && day < length ? day + 1 : day - 2  // Sunday
        default: day
        }
    }

    /// Decided over the calendar's whole cycle of 400 years, which is a whole number of weeks.
    private var canEverFire: Bool {
        for year in 2000..<2400 {
            for month in 1...12 where days(year: year, month: month) != 0 { return true }
        }
        return false
    }

    /// The first time on the wall, as seconds as if it were UTC, that matches and is not before another; `nil` if there
    /// is none before the year 10000.
    func firstMatch(notBefore local: Int64) -> Int64? {
        let startDay = floorDivide(local, 86400)
        let time = Int(local - startDay * 86400)
        var (year, month, day) = Civil.date(days: startDay)
        var firstTime = firstTime(notBefore: time)
        if firstTime == nil { day += 1 }
        while year < 10000 {
            let found = days(year: year, month: month) & ~(((1 as UInt64) << UInt64(day)) - 1)
            if found != 0 {
                let matching = found.trailingZeroBitCount
                let number = Civil.days(year: year, month: month, day: matching)
                if number != startDay || firstTime == nil { firstTime = self.firstTime(notBefore: 0) }
                return firstTime.map { number * 86400 + Int64($0) }
            }
            day = 1
            month += 1
            if month > 12 { (year, month) = (year + 1, 1) }
        }
        return nil
    }

    /// The first second of a day that matches and is not before another.
    private func firstTime(notBefore time: Int) -> Int? {
        guard time < 86400 else { return nil }
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60)
        func first(_ set: UInt64, from value: Int) -> Int? {
            guard value < 64 else { return nil }
            let rest = set & ~(((1 as UInt64) << UInt64(value)) - 1)
            return rest == 0 ? nil : rest.trailingZeroBitCount
        }
        if hours & (1 << UInt64(hour)) != 0 {
            if minutes & (1 << UInt64(minute)) != 0, let found = first(seconds, from: second) {
                return hour * 3600 + minute * 60 + found
            }
            if let found = first(minutes, from: minute + 1) {
                return hour * 3600 + found * 60 + seconds.trailingZeroBitCount
            }
        }
        return first(hours, from: hour + 1).map {
            $0 * 3600 + minutes.trailingZeroBitCount * 60 + seconds.trailingZeroBitCount
        }
    }
}

/// What is wrong with a cron expression, and what would be accepted.
package struct CronExpressionError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The field that is meant, in words; `nil` when the expression as a whole is.
    package let field: String?
    /// The character that it begins at, from 1.
    package let column: Int
    /// What is wrong, lower case, no final stop.
    package let reason: String
    /// What to write instead, to follow a comma.
    package let accepted: String

    init(field: String?, column: Int, reason: String, accepted: String) {
        self.field = field
        self.column = column
        self.reason = reason
        self.accepted = accepted
    }

    /// Field, column and reason.
    package var message: String { field.map { "\($0) (column \(column)): \(reason)" } ?? reason }

    /// All in one line.
    package var description: String { "\(message), \(accepted)" }
}
