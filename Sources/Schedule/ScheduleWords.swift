extension CronExpression {
    /// When it is due, in English: `at 02:00 on Sunday`, `every 15 minutes`, `at 02:00 on the last day of the month`.
    ///
    /// Says what the expression does rather than how it is written, so that two that do the same read the same.
    package var words: String {
        guard every == nil else { return everyWords }
        let (time, isTimeOfDay) = timeWords
        let day = DayWords(self).text
        // "at 02:00" alone might be taken for once; "every 15 minutes" cannot.
        if !day.isEmpty { return "\(time) \(day)" }
        return "\(time)\(isTimeOfDay ? " every day" : "")\(months == CronUnit.month.all ? "" : " in \(monthWords)")"
    }

    /// The months that are named, in words.
    var monthWords: String {
        English.list(
            English.runs(of: months, unit: .month).map { English.run($0) { CronUnit.month.fullNames[$0] } }.flatMap { $0 })
    }

    private var everyWords: String {
        let every = every ?? 1
        let units: [(name: String, size: Int64)] = [("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)]
        let unit = units.first { every % $0.size == 0 } ?? ("second", 1)
        return every == unit.size ? "every \(unit.name)" : "every \(every / unit.size) \(unit.name)s"
    }

    // MARK: - Time of day

    /// The times, and whether they are given as times of day.
    private var timeWords: (text: String, isTimeOfDay: Bool) {
        let count = hours.nonzeroBitCount * minutes.nonzeroBitCount * seconds.nonzeroBitCount
        if hours != CronUnit.hour.all, count <= 6 { return ("at \(English.list(timesOfDay))", true) }
        if seconds == 1 { return (minuteWords, false) }
        return ("\(secondWords)", false)
    }

    private var timesOfDay: [String] {
        English.values(hours).flatMap { hour in
            English.values(minutes).flatMap { minute in
                English.values(seconds).map { second in
                    "\(English.padded(hour)):\(English.padded(minute))" + (seconds == 1 ? "" : ":\(English.padded(second))")
                }
            }
        }
    }

    /// Where the seconds are no matter.
    private var minuteWords: String {
        if minutes == 1 {
            if hours == CronUnit.hour.all { return "every hour" }
            if let cadence = English.cadence(of: hours, size: 24) {
                return "every \(cadence.step) hours\(cadence.start > 0 ? " starting at \(English.padded(cadence.start)):00" : "")"
            }
            return "every hour " + stretches(lastMinute: "00")
        }
        if minutes == CronUnit.minute.all { return "every minute" + hourWords }
        if let cadence = English.cadence(of: minutes, size: 60) {
            return "every \(cadence.step) minutes\(cadence.start > 0 ? " starting at minute \(cadence.start)" : "")" + hourWords
        }
        return "at \(numbered("minute", minutes)) of \(everyHour)"
    }

    private var secondWords: String {
        var text: String
        if seconds == CronUnit.second.all {
            text = "every second"
        } else if let cadence = English.cadence(of: seconds, size: 60) {
            text = "every \(cadence.step) seconds\(cadence.start > 0 ? " starting at second \(cadence.start)" : "")"
        } else {
            text = "at \(numbered("second", seconds))"
        }
        if minutes == CronUnit.minute.all {
            if text.hasPrefix("at") { text += " of every minute" }
        } else if let cadence = English.cadence(of: minutes, size: 60) {
            text += " of every \(English.ordinal(cadence.step)) minute"
            if cadence.start > 0 { text += " starting at minute \(cadence.start)" }
        } else {
            return "\(text) of \(numbered("minute", minutes)) of \(everyHour)"
        }
        return text + hourWords
    }

    /// The hours, where they are not all, to follow what happens in them.
    private var hourWords: String {
        if hours == CronUnit.hour.all { return "" }
        if English.cadence(of: hours, size: 24) != nil { return " in \(everyHour)" }
        return " \(stretches(lastMinute: "59"))"
    }

    /// The hours, to follow a minute.
    private var everyHour: String {
        if hours == CronUnit.hour.all { return "every hour" }
        guard let cadence = English.cadence(of: hours, size: 24) else { return "every hour \(stretches(lastMinute: "59"))" }
        let start = cadence.start > 0 ? " starting at \(English.padded(cadence.start)):00" : ""
        return "every \(English.ordinal(cadence.step)) hour\(start)"
    }

    private func stretches(lastMinute: String) -> String {
        English.list(
            English.runs(of: hours, unit: .hour).map { run in
                "from \(English.padded(run[0])):00 to \(English.padded(run[run.count - 1])):\(lastMinute)"
            })
    }

    private func numbered(_ unit: String, _ bits: UInt64) -> String {
        let runs = English.runs(of: bits, unit: nil).flatMap { English.run($0) { "\($0)" } }
        return "\(unit)\(bits.nonzeroBitCount > 1 ? "s" : "") \(English.list(runs))"
    }
}

/// The days of an expression in words.
private struct DayWords {
    private let expression: CronExpression

    init(_ expression: CronExpression) {
        self.expression = expression
    }

    /// The days and months, or nothing if every day of the months matches.
    var text: String {
        let allMonthDays = expression.monthDays == CronUnit.monthDay.all
        let allWeekDays = expression.weekDays == CronUnit.weekDay.all
        let allMonths = expression.months == CronUnit.month.all
        if expression.needsBothDays ? allMonthDays && allWeekDays : allMonthDays || allWeekDays { return "" }
        let end = allMonths ? "" : " in \(expression.monthWords)"
        // One month is named in the date; several follow it.
        let isOneMonth = expression.months.nonzeroBitCount == 1
        let month = isOneMonth ? expression.monthWords : "the month"
        let date = "\(monthDays) of \(month)\(isOneMonth ? "" : end)"
        if expression.needsBothDays {
            if allMonthDays { return "on \(weekDays)\(end)" }
            if allWeekDays { return "on \(date)" }
            return "on \(weekDays), but only on \(date)"
        }
        return "on \(monthDays) of the month, and also on \(weekDays)" + (allMonths ? "" : ",\(end)")
    }

    private var monthDays: String {
        let days = English.values(expression.monthDays)
        var items: [String] = []
        if let step = English.progression(days) {
            items = [
                "every \(English.ordinal(step)) day from the \(English.ordinal(days[0])) to the \(English.ordinal(days[days.count - 1]))"
            ]
        } else {
            items = English.runs(of: expression.monthDays, unit: nil).flatMap {
                English.run($0) { "the \(English.ordinal($0))" }
            }
        }
        for special in expression.specialMonthDays {
            switch special {
            case .last(before: 0): items.append("the last day")
            case .last(before: 1): items.append("the day before the last day")
            case .last(let before): items.append("the \(English.ordinal(before)) day before the last day")
            case .lastWeekday: items.append("the last weekday")
            case .nearestWeekday(let day): items.append("the weekday nearest to the \(English.ordinal(day))")
            }
        }
        return English.list(English.distinct(items))
    }

    private var weekDays: String {
        func name(_ day: Int) -> String { CronUnit.weekDay.fullNames[day] }
        var items = English.runs(of: expression.weekDays, unit: .weekDay).flatMap { English.run($0, name) }
        for special in expression.specialWeekDays {
            switch special {
            case .nth(let number, let weekday): items.append("the \(English.ordinal(number)) \(name(weekday)) of the month")
            case .last(let weekday): items.append("the last \(name(weekday)) of the month")
            }
        }
        return English.list(English.distinct(items))
    }
}

/// Numbers and lists in English.
enum English {
    /// `a`, `a and b`, `a, b and c`.
    static func list(_ items: [String]) -> String {
        guard let last = items.last, items.count > 1 else { return items.first ?? "" }
        return "\(items.dropLast().joined(separator: ", ")) and \(last)"
    }

    /// `1st`, `2nd`, `11th`.
    static func ordinal(_ number: Int) -> String {
        switch (number % 10, number % 100) {
        case (_, 11...13): "\(number)th"
        case (1, _): "\(number)st"
        case (2, _): "\(number)nd"
        case (3, _): "\(number)rd"
        default: "\(number)th"
        }
    }

    /// Two digits.
    static func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// The items without those that were there before.
    static func distinct(_ items: [String]) -> [String] {
        var seen: Set<String> = []
        return items.filter { seen.insert($0).inserted }
    }

    /// The numbers of a set, in order.
    static func values(_ bits: UInt64) -> [Int] {
        (0..<64).filter { bits & (1 << UInt64($0)) != 0 }
    }

    /// The numbers of a set as runs without holes; with a unit that comes round, a run may go over its end.
    static func runs(of bits: UInt64, unit: CronUnit?) -> [[Int]] {
        var runs: [[Int]] = []
        for value in values(bits) {
            if let last = runs.last?.last, last == value - 1 {
                runs[runs.count - 1].append(value)
            } else {
                runs.append([value])
            }
        }
        if let unit, runs.count > 1, runs[0][0] == unit.range.lowerBound, runs[runs.count - 1].last == unit.last {
            runs[0] = runs.removeLast() + runs[0]
        }
        // A week begins on Monday where Sunday stands alone.
        if unit == .weekDay, runs.count > 1, runs[0] == [0] { runs.append(runs.removeFirst()) }
        return runs
    }

    /// `a to c` for three and more, else each by itself.
    static func run(_ run: [Int], _ name: (Int) -> String) -> [String] {
        run.count > 2 ? ["\(name(run[0])) to \(name(run[run.count - 1]))"] : run.map(name)
    }

    /// The step and start of a set that comes round evenly in a unit of a size, at least twice.
    static func cadence(of bits: UInt64, size: Int) -> (step: Int, start: Int)? {
        let values = values(bits)
        guard values.count >= 2, values.count < size, size % values.count == 0 else { return nil }
        let step = size / values.count
        guard values[0] < step, zip(values, values.dropFirst()).allSatisfy({ $1 - $0 == step }) else { return nil }
        return (step, values[0])
    }

    /// The step of numbers that are evenly apart, four at least, and not neighbours.
    static func progression(_ values: [Int]) -> Int? {
        guard values.count >= 4 else { return nil }
        let step = values[1] - values[0]
        return step > 1 && zip(values, values.dropFirst()).allSatisfy { $1 - $0 == step } ? step : nil
    }
}
