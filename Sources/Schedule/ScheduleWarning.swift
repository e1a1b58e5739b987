/// Something that an expression says and that people who write it often do not mean.
package struct ScheduleWarning: Hashable, Sendable {
    /// What it does, lower case, no final stop.
    package let message: String
    /// What to write if something else is meant, to follow a comma.
    package let hint: String
}

extension CronExpression {
    /// What the expression does that is often not meant.
    package var warnings: [ScheduleWarning] {
        guard let fields = try? CronParser(text: text).parse(), fields.every == nil, !fields.isMacro else { return [] }
        var found: [ScheduleWarning] = []
        var units: [(CronUnit, CronParser.Field)] = [
            (.minute, fields.minute), (.hour, fields.hour), (.monthDay, fields.monthDay), (.month, fields.month),
            (.weekDay, fields.weekDay),
        ]
        if hasSeconds { units.insert((.second, fields.second), at: 0) }
        for (unit, field) in units {
            for item in field.items where item.step != nil { found += stepWarnings(item, unit) }
        }
        found += densityWarnings(fields)
        found += dayWarnings(fields)
        return found
    }

    // MARK: - Steps

    private func stepWarnings(_ item: CronParser.Item, _ unit: CronUnit) -> [ScheduleWarning] {
        guard let step = item.step else { return [] }
        let name = unit.title
        let length = (item.last - item.first + unit.size) % unit.size
        let reach = length == 0 && item.first != item.last ? unit.size - 1 : length
        if step > reach, step > 1 {
            let first = unit.names.isEmpty ? "\(item.first)" : unit.fullNames[unit == .weekDay ? item.first % 7 : item.first]
            return [
                ScheduleWarning(
                    message:
                        "the step of \(CronParser.quoted(item.text)) (\(name)) reaches no second value, so it means \(first) alone",
                    hint: "write \(item.first), or a smaller step")
            ]
        }
        if !item.isStar, !item.isRange {
            return [
                ScheduleWarning(
                    message:
                        "\(CronParser.quoted(item.text)) (\(name)) means \(item.first)-\(item.last)/\(step) here, and \(item.first) alone to Debian's cron",
                    hint: "write \(item.first)-\(item.last)/\(step)")
            ]
        }
        // Where the whole range is stepped through, the last step is cut short unless the step divides the range.
        guard item.isStar || reach == unit.size - 1, unit == .monthDay || unit.size % step != 0, step > 1 else { return [] }
        if unit == .monthDay { return [monthDayStep(item, step)] }
        let rest = unit.size % step
        let interval: (Int) -> String = { count in
            switch unit {
            case .weekDay: "\(count) day\(count == 1 ? "" : "s")"
            default: "\(count) \(name)\(count == 1 ? "" : "s")"
            }
        }
        let even = (1...step).last { unit.size % $0 == 0 } ?? 1
        let hint =
            switch unit {
            case .minute: "for even intervals write \(even > 1 ? "*/\(even) or " : "")\"@every \(step)m\""
            case .hour: "for even intervals write \(even > 1 ? "*/\(even) or " : "")\"@every \(step)h\""
            case .second: "for even intervals write \(even > 1 ? "*/\(even) or " : "")\"@every \(step)s\""
            case .month: even > 1 ? "for even intervals write */\(even)" : "name the months that are meant"
            default: "name the days that are meant, such as MON,THU"
            }
        return [
            ScheduleWarning(
                message:
                    "\(CronParser.quoted(item.text)) (\(name)) is uneven: \(interval(step)) apart, but \(interval(rest)) where the count begins anew",
                hint: hint)
        ]
    }

    private func monthDayStep(_ item: CronParser.Item, _ step: Int) -> ScheduleWarning {
        ScheduleWarning(
            message:
                "\(CronParser.quoted(item.text)) (day of month) begins anew on the 1st of each month, so the last interval of a month is shorter or longer",
            hint: "for even intervals write \"@every \(step)d\"")
    }

    // MARK: - Too often

    /// `* 2 * * *`, where `0 2 * * *` is meant.
    private func densityWarnings(_ fields: CronParser.Fields) -> [ScheduleWarning] {
        func isSingle(_ field: CronParser.Field) -> Bool { field.items.allSatisfy { !$0.isStar && !$0.isRange && $0.step == nil } }
        if fields.hasSeconds, fields.second.text == "*", isSingle(fields.minute) {
            return [
                ScheduleWarning(
                    message: "fires on each of the 60 seconds of the minute, as the second is *",
                    hint: "for once a minute write 0 for the second")
            ]
        }
        if fields.minute.text == "*", isSingle(fields.hour) {
            return [
                ScheduleWarning(
                    message: "fires on each of the 60 minutes of the hour, as the minute is *",
                    hint: "for once an hour write 0 for the minute")
            ]
        }
        return []
    }

    // MARK: - Days

    private func dayWarnings(_ fields: CronParser.Fields) -> [ScheduleWarning] {
        let restrictsMonthDay = fields.monthDay.text != "*"
        let restrictsWeekDay = fields.weekDay.text != "*"
        var found: [ScheduleWarning] = []
        if restrictsMonthDay, restrictsWeekDay {
            if !needsBothDays, monthDayMonths(inYear: 2024) == 0 {
                found.append(
                    ScheduleWarning(
                        message:
                            "the day of month \(CronParser.quoted(fields.monthDay.text)) never comes in \(monthWords), so only the day of week counts",
                        hint: "write * for the day of month"))
            } else {
                found += bothDaysWarnings(fields)
            }
        } else if restrictsMonthDay {
            found += rareDayWarnings()
        }
        if !restrictsMonthDay, weekDays == 0, specialWeekDays.allSatisfy({ if case .nth(5, _) = $0 { true } else { false } }) {
            found.append(
                ScheduleWarning(
                    message: "few months have five of a weekday, so most are left out",
                    hint: "for the last one of each month write L after it, such as FRIL"))
        }
        return found
    }

    private func bothDaysWarnings(_ fields: CronParser.Fields) -> [ScheduleWarning] {
        guard dayRule == .vixie else { return [] }
        if needsBothDays {
            return [
                ScheduleWarning(
                    message:
                        "a day must match both the day of month and the day of week, as one of them begins with * (in other schedulers either is enough)",
                    hint: "say which is meant with days = \"and\" or days = \"or\"")
            ]
        }
        if monthDays == CronUnit.monthDay.all || weekDays == CronUnit.weekDay.all {
            let all = weekDays == CronUnit.weekDay.all ? "week" : "month"
            return [
                ScheduleWarning(
                    message: "fires every day: all days of the \(all) are named, and either of the two day fields is enough",
                    hint: "write * for the day of \(all), or say days = \"and\"")
            ]
        }
        // Days 1-7 and Monday: the first Monday is meant, in 99 of 100 crontabs.
        if specialMonthDays.isEmpty, specialWeekDays.isEmpty, let week = weekOfMonth {
            let days = English.values(weekDays)
            let marks = days.map { week == 5 ? "\($0)L" : "\($0)#\(week)" }.joined(separator: ",")
            let names = days.map { "\(week == 5 ? "last" : English.ordinal(week)) \(CronUnit.weekDay.fullNames[$0])" }
            let weekDayNames = English.list(days.map { CronUnit.weekDay.fullNames[$0] })
            return [
                ScheduleWarning(
                    message:
                        "fires on days \(fields.monthDay.text) and on every \(weekDayNames) besides, as either of the two day fields is enough",
                    hint:
                        "did you mean the \(names.joined(separator: " and ")) of the month? use * for the day of month and \(marks) for the day of week"
                )
            ]
        }
        return [
            ScheduleWarning(
                message: "day of month and day of week are both given, and either is enough",
                hint: "say which is meant with days = \"and\" or days = \"or\"")
        ]
    }

    /// Which week of the month the days of the month are, 5 being the last one; `nil` if they are no whole week.
    private var weekOfMonth: Int? {
        let days = English.values(monthDays)
        guard days.count == 7, days[6] - days[0] == 6 else { return nil }
        return switch days[0] {
        case 1, 8, 15, 22: days[0] / 7 + 1
        case 23...25: 5
        default: nil
        }
    }

    /// A day that not every month has.
    private func rareDayWarnings() -> [ScheduleWarning] {
        let all = months.nonzeroBitCount
        let matching = monthDayMonths(inYear: 2026)
        guard matching < all else { return [] }
        if matching == 0 {
            return [ScheduleWarning(message: "fires in leap years only", hint: "for the last day of the month write L")]
        }
        return [
            ScheduleWarning(
                message: "fires in \(matching) months of \(all), as the others have no such day",
                hint: "for the last day of every month write L")
        ]
    }

    /// How many of the months that are named have a day of the month that matches, in a year.
    private func monthDayMonths(inYear year: Int) -> Int {
        (1...12).count { month in
            guard months & (1 << UInt64(month)) != 0 else { return false }
            let length = Civil.daysIn(month: month, of: year)
            let existing = ((1 as UInt64) << UInt64(length + 1)) - 2
            return daysByMonthDay(length: length, firstWeekday: 1) & existing != 0
        }
    }
}
