extension CronExpression {
    /// No fire is looked for from this year on.
    static let yearOfNoFires = 10000

    /// The first time on the wall, as seconds as if it were UTC, that matches and is not before another; `nil` if there
    /// is none before the year 10000.
    ///
    /// - Parameter steps: counts the months that were looked at.
    func firstMatch(notBefore local: Int64, steps: inout Int) -> Int64? {
        let startDay = floorDivide(local, 86400)
        var (year, month, day) = Civil.date(days: startDay)
        let timeOnStartDay = firstTime(notBefore: Int(local - startDay * 86400))
        if timeOnStartDay == nil { day += 1 }
        while year < Self.yearOfNoFires {
            steps += 1
            let found = days(year: year, month: month) & ~(((1 as UInt64) << UInt64(day)) - 1)
            if found != 0 {
                let number = Civil.days(year: year, month: month, day: found.trailingZeroBitCount)
                let time = number == startDay ? timeOnStartDay : firstTime(notBefore: 0)
                return time.map { number * 86400 + Int64($0) }
            }
            day = 1
            let later = (months >> UInt64(month + 1)) << UInt64(month + 1)
            if later != 0 {
                month = later.trailingZeroBitCount
            } else {
                (year, month) = (year + 1, months.trailingZeroBitCount)
            }
        }
        return nil
    }

    /// The first second of a day that matches and is not before another.
    private func firstTime(notBefore time: Int) -> Int? {
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60)
        func first(_ set: UInt64, from value: Int) -> Int? {
            let rest = (set >> UInt64(value)) << UInt64(value)
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

    /// The times on the wall in a range that match, as seconds as if it were UTC, up to a limit.
    func matches(in range: Range<Int64>, limit: Int) -> [Int64] {
        var found: [Int64] = []
        var from = range.lowerBound
        var steps = 0
        while found.count < limit, let match = firstMatch(notBefore: from, steps: &steps), match < range.upperBound {
            found.append(match)
            from = match + 1
        }
        return found
    }
}
