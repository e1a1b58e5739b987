/// Reads the text of a cron expression.
struct CronParser {
    struct Field {
        var bits: UInt64 = 0
        var column = 1
        var beginsWithStar = false
        var specialMonthDays: [CronExpression.MonthDay] = []
        var specialWeekDays: [CronExpression.WeekDay] = []
    }

    struct Fields {
        var every: Int64?
        var hasSeconds = false
        var second = Field(bits: 1)
        var minute = Field(bits: 1)
        var hour = Field(bits: 1)
        var monthDay = Field(bits: (1 << 32) - 2, beginsWithStar: true)
        var month = Field(bits: (1 << 13) - 2, beginsWithStar: true)
        var weekDay = Field(bits: (1 << 7) - 1, beginsWithStar: true)
    }

    private enum Unit {
        case second, minute, hour, monthDay, month, weekDay

        var title: String {
            switch self {
            case .second: "second"
            case .minute: "minute"
            case .hour: "hour"
            case .monthDay: "day of month"
            case .month: "month"
            case .weekDay: "day of week"
            }
        }

        var range: ClosedRange<Int> {
            switch self {
            case .second, .minute: 0...59
            case .hour: 0...23
            case .monthDay: 1...31
            case .month: 1...12
            case .weekDay: 0...7
            }
        }

        /// Names begin at the first value of the range.
        var names: [String] {
            switch self {
            case .month: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
            case .weekDay: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
            default: []
            }
        }

        var firstName: Int { self == .month ? 1 : 0 }
    }

    private static let macros: [(name: String, fields: String)] = [
        ("@yearly", "0 0 1 1 *"), ("@annually", "0 0 1 1 *"), ("@monthly", "0 0 1 * *"), ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"), ("@midnight", "0 0 * * *"), ("@hourly", "0 * * * *"),
    ]

    private let text: String

    init(text: String) {
        self.text = text
    }

    mutating func parse() throws(CronExpressionError) -> Fields {
        let words = split(text)
        guard let first = words.first else {
            throw error(nil, 1, "the expression is empty", "write five fields, such as \"0 2 * * *\"")
        }
        if first.word.hasPrefix("@") { return try macro(words) }
        guard words.count == 5 || words.count == 6 else {
            throw error(
                nil, 1, "\(words.count) \(words.count == 1 ? "field" : "fields") where five are wanted",
                "write minute, hour, day of month, month and day of week, such as \"0 2 * * *\"; a sixth one in front is the second"
            )
        }
        var fields = Fields()
        var rest = words[...]
        if words.count == 6, let word = rest.popFirst() {
            fields.hasSeconds = true
            fields.second = try field(word, .second)
        }
        let list = Array(rest)
        fields.minute = try field(list[0], .minute)
        fields.hour = try field(list[1], .hour)
        fields.monthDay = try field(list[2], .monthDay)
        fields.month = try field(list[3], .month)
        fields.weekDay = try field(list[4], .weekDay)
        return fields
    }

    private func split(_ text: String) -> [(word: String, column: Int)] {
        var words: [(word: String, column: Int)] = []
        var word = ""
        var start = 1
        for (index, character) in text.enumerated() {
            if character == " " || character == "\t" {
                if !word.isEmpty { words.append((word, start)) }
                word = ""
            } else {
                if word.isEmpty { start = index + 1 }
                word.append(character)
            }
        }
        if !word.isEmpty { words.append((word, start)) }
        return words
    }

    private mutating func macro(_ words: [(word: String, column: Int)]) throws(CronExpressionError) -> Fields {
        let name = words[0].word.lowercased()
        let known = Self.macros.map(\.name).joined(separator: ", ")
        if name == "@every" {
            guard words.count == 2, let duration = DurationText.parse(words[1].word), duration >= .seconds(1),
                duration.wholeMicroseconds % 1_000_000 == 0
            else {
                throw error(
                    nil, words.count > 1 ? words[1].column : 1, "@every wants one duration of whole seconds",
                    "write it as in \"@every 90m\"")
            }
            var fields = Fields()
            fields.every = duration.wholeMicroseconds / 1_000_000
            return fields
        }
        if name == "@reboot" {
            throw error(
                nil, 1, "@reboot is no time: a daemon that restarts would run the job each time",
                "write a time of day; a fire that was missed while the host was down is made up for by catch_up = true")
        }
        guard words.count == 1 else {
            throw error(nil, words[1].column, "\"\(words[1].word)\" after \(words[0].word)", "write \(words[0].word) alone")
        }
        guard let fields = Self.macros.first(where: { $0.name == name })?.fields else {
            throw error(nil, 1, "\"\(words[0].word)\" is not known", "write one of \(known), or @every with a duration")
        }
        var parser = CronParser(text: fields)
        return try parser.parse()
    }

    private func field(_ word: (word: String, column: Int), _ unit: Unit) throws(CronExpressionError) -> Field {
        var field = Field(column: word.column, beginsWithStar: word.word.hasPrefix("*"))
        var column = word.column
        for item in word.word.split(separator: ",", omittingEmptySubsequences: false) {
            guard !item.isEmpty else {
                throw error(unit.title, column, "an empty item in the list \"\(word.word)\"", "remove the comma")
            }
            try add(String(item), unit, column, to: &field)
            column += item.count + 1
        }
        if unit == .weekDay, field.bits & 1 << 7 != 0 { field.bits = field.bits & ~(1 << 7) | 1 }
        return field
    }

    private func add(
        _ item: String, _ unit: Unit, _ column: Int, to field: inout Field
    ) throws(CronExpressionError) {
        let upper = item.uppercased()
        if try special(upper, unit, column, &field) { return }
        let parts = upper.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        var step = 1
        if parts.count == 2 {
            let size = unit == .weekDay ? 7 : unit.range.count
            guard let number = Int(parts[1]), parts[1].allSatisfy({ $0.isASCII && $0.isNumber }), (1...size).contains(number)
            else {
                throw error(
                    unit.title, column, "the step \"\(parts[1])\" is not a number from 1 to \(size)",
                    "write a step such as */\(unit == .minute ? 15 : 2)")
            }
            step = number
        }
        let first: Int
        let last: Int
        if parts[0] == "*" {
            (first, last) = (unit.range.lowerBound, unit == .weekDay ? 6 : unit.range.upperBound)
        } else {
            let bounds = parts[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            first = try value(bounds[0], unit, column, item)
            if bounds.count == 2 {
                last = try value(bounds[1], unit, column + bounds[0].count + 1, item)
            } else {
                // A step without a range runs to the end, as Vixie cron has it.
                last = parts.count == 2 ? (unit == .weekDay ? 6 : unit.range.upperBound) : first
            }
        }
        if first <= last {
            for value in stride(from: first, through: last, by: step) { field.bits |= 1 << UInt64(value) }
        } else {
            // A range over the end wraps around.
            let size = unit == .weekDay ? 7 : unit.range.count
            let lowest = unit.range.lowerBound
            for value in stride(from: first, through: last + size, by: step) {
                field.bits |= 1 << UInt64((value - lowest) % size + lowest)
            }
        }
    }

    /// `L`, `L-3`, `LW`, `15W` among days of the month; `5L`, `FRI#2` among days of the week.
    private func special(
        _ item: String, _ unit: Unit, _ column: Int, _ field: inout Field
    ) throws(CronExpressionError) -> Bool {
        if unit == .monthDay {
            if item == "L" {
                field.specialMonthDays.append(.last(before: 0))
            } else if item == "LW" || item == "WL" {
                field.specialMonthDays.append(.lastWeekday)
            } else if item.hasPrefix("L-") {
                guard let days = Int(item.dropFirst(2)), (1...30).contains(days) else {
                    throw error(unit.title, column, "\"\(item)\" counts back by no number from 1 to 30", "write L-3")
                }
                field.specialMonthDays.append(.last(before: days))
            } else if item.hasSuffix("W") {
                field.specialMonthDays.append(.nearestWeekday(try value(String(item.dropLast()), unit, column, item)))
            } else {
                return false
            }
            return true
        }
        guard unit == .weekDay else { return false }
        if item.hasSuffix("L"), item.count > 1 {
            field.specialWeekDays.append(.last(weekday: try value(String(item.dropLast()), unit, column, item) % 7))
            return true
        }
        if let mark = item.firstIndex(of: "#") {
            let weekday = try value(String(item[..<mark]), unit, column, item) % 7
            guard let number = Int(item[item.index(after: mark)...]), (1...5).contains(number) else {
                throw error(
                    unit.title, column, "\"\(item)\" names no first to fifth weekday", "write FRI#1 to FRI#5, or 5L for the last")
            }
            field.specialWeekDays.append(.nth(number, weekday: weekday))
            return true
        }
        return false
    }

    private func value(
        _ text: String, _ unit: Unit, _ column: Int, _ item: String
    ) throws(CronExpressionError) -> Int {
        if let index = unit.names.firstIndex(of: text) { return index + unit.firstName }
        let range = "\(unit.range.lowerBound)-\(unit.range.upperBound)"
        let names = unit.names.isEmpty ? "" : " or \(unit.names[0])-\(unit.names[unit.names.count - 1])"
        guard !text.isEmpty else {
            throw error(unit.title, column, "\"\(item)\" lacks a number", "write numbers in \(range)\(names)")
        }
        guard text.utf8.count <= 4, text.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(text) else {
            throw error(unit.title, column, "\"\(text)\" is not understood", "write numbers in \(range)\(names)")
        }
        guard unit.range.contains(number) else {
            let nearest = number > unit.range.upperBound ? unit.range.upperBound : unit.range.lowerBound
            let wrapped = unit == .minute && number == 60 || unit == .hour && number == 24
            throw error(
                unit.title, column, "\(number) is out of range \(range)",
                wrapped ? "write 0 for the full \(unit.title == "hour" ? "day" : "hour")" : "the nearest is \(nearest)")
        }
        return number
    }

    private func error(_ field: String?, _ column: Int, _ reason: String, _ accepted: String) -> CronExpressionError {
        CronExpressionError(field: field, column: column, reason: reason, accepted: accepted)
    }
}
