extension CronParser {
    /// Reads a field: a list of `*`, numbers, names and ranges, each with or without a step, and what only days have.
    func field(_ word: Word, _ unit: CronUnit) throws(CronExpressionError) -> Field {
        var field = Field(column: word.column, text: word.text)
        var column = word.column
        for item in word.text.split(separator: ",", omittingEmptySubsequences: false) {
            guard !item.isEmpty else {
                let rest = word.text.split(separator: ",").joined(separator: ",")
                throw error(
                    unit.title, column, "an empty item in the list \(Self.quoted(word.text))",
                    rest.isEmpty ? "write *" : "write \(Self.quoted(rest))")
            }
            try add(String(item), unit, column, to: &field)
            column += item.count + 1
        }
        if unit == .weekDay, field.bits & 1 << 7 != 0 { field.bits = field.bits & ~(1 << 7) | 1 }
        return field
    }

    private func add(
        _ text: String, _ unit: CronUnit, _ column: Int, to field: inout Field
    ) throws(CronExpressionError) {
        if text == "?" {
            throw error(unit.title, column, "\"?\" is of another kind of scheduler", "write *")
        }
        if try special(text, unit, column, &field) {
            field.items.append(Item(text: text))
            return
        }
        var item = Item(text: text)
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if parts.count == 2 { item.step = try step(parts[1], unit, column + parts[0].count + 1) }
        if parts[0] == "*" {
            item.isStar = true
            (item.first, item.last) = (unit.range.lowerBound, unit.last)
        } else {
            let bounds = parts[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard !parts[0].hasPrefix("*") else {
                throw error(unit.title, column, "\(Self.quoted(parts[0])) is not understood", "write * or a range")
            }
            item.first = try value(bounds[0], unit, column, text)
            item.isRange = bounds.count == 2
            if item.isRange {
                item.last = try value(bounds[1], unit, column + bounds[0].count + 1, text)
            } else {
                // A step without a range runs to the end.
                item.last = item.step == nil ? item.first : max(item.first, unit.last)
            }
        }
        let step = item.step ?? 1
        if item.first <= item.last {
            for value in stride(from: item.first, through: item.last, by: step) { field.bits |= 1 << UInt64(value) }
        } else {
            // A range over the end wraps around.
            let lowest = unit.range.lowerBound
            for value in stride(from: item.first, through: item.last + unit.size, by: step) {
                field.bits |= 1 << UInt64((value - lowest) % unit.size + lowest)
            }
        }
        field.items.append(item)
    }

    private func step(_ text: String, _ unit: CronUnit, _ column: Int) throws(CronExpressionError) -> Int {
        let example = "write a step such as */\(unit == .minute || unit == .second ? 15 : 2)"
        guard !text.isEmpty else { throw error(unit.title, column, "the step is missing", example) }
        guard text.utf8.count <= 4, text.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(text) else {
            throw error(unit.title, column, "the step \(Self.quoted(text)) is not a number from 1 to \(unit.size)", example)
        }
        guard (1...unit.size).contains(number) else {
            throw error(
                unit.title, column, "the step \"\(number)\" is not a number from 1 to \(unit.size)",
                number == 0 ? "write * for every \(unit.title)" : "\(example), or @every for intervals of any length")
        }
        return number
    }

    /// `L`, `L-3`, `LW`, `15W` among days of the month; `5L`, `FRI#2` among days of the week.
    private func special(
        _ text: String, _ unit: CronUnit, _ column: Int, _ field: inout Field
    ) throws(CronExpressionError) -> Bool {
        let item = Self.ascii(text)
        switch unit {
        case .monthDay: return try specialMonthDay(item, text, column, &field)
        case .weekDay: return try specialWeekDay(item, text, column, &field)
        default: return false
        }
    }

    private func specialMonthDay(
        _ item: String, _ text: String, _ column: Int, _ field: inout Field
    ) throws(CronExpressionError) -> Bool {
        let title = CronUnit.monthDay.title
        if item == "L" {
            field.specialMonthDays.append(.last(before: 0))
        } else if item == "LW" || item == "WL" {
            field.specialMonthDays.append(.lastWeekday)
        } else if item.hasPrefix("L-") {
            let number = item.dropFirst(2)
            guard number.utf8.count <= 2, number.allSatisfy({ $0.isASCII && $0.isNumber }), let days = Int(number),
                (1...30).contains(days)
            else {
                throw error(
                    title, column, "\(Self.quoted(text)) counts back by no number from 1 to 30",
                    item == "L-0" ? "write L" : "write it as in L-3, the third day before the last")
            }
            field.specialMonthDays.append(.last(before: days))
        } else if item.hasPrefix("L") {
            throw error(title, column, "\(Self.quoted(text)) is not understood", "write L, L-3 or LW")
        } else if item.hasSuffix("W") {
            field.specialMonthDays.append(.nearestWeekday(try value(String(item.dropLast()), .monthDay, column, text)))
        } else {
            return false
        }
        return true
    }

    private func specialWeekDay(
        _ item: String, _ text: String, _ column: Int, _ field: inout Field
    ) throws(CronExpressionError) -> Bool {
        let title = CronUnit.weekDay.title
        if item == "L" {
            throw error(
                title, column, "\"L\" says no weekday", "write SAT for Saturday, or SATL for the last Saturday of the month")
        }
        if item.hasSuffix("L") {
            field.specialWeekDays.append(.last(weekday: try value(String(text.dropLast()), .weekDay, column, text) % 7))
            return true
        }
        guard let mark = text.firstIndex(of: "#") else { return false }
        let weekday = try value(String(text[..<mark]), .weekDay, column, text) % 7
        let number = text[text.index(after: mark)...]
        guard number.utf8.count == 1, let count = Int(number), (1...5).contains(count) else {
            throw error(
                title, column, "\(Self.quoted(text)) names no first to fifth weekday",
                "write \(text[..<mark])#1 to \(text[..<mark])#5, or \(text[..<mark])L for the last")
        }
        field.specialWeekDays.append(.nth(count, weekday: weekday))
        return true
    }

    /// A number or a name.
    private func value(
        _ text: String, _ unit: CronUnit, _ column: Int, _ item: String
    ) throws(CronExpressionError) -> Int {
        let name = Self.ascii(text)
        if let index = unit.names.firstIndex(of: name) { return index + unit.range.lowerBound }
        guard !text.isEmpty else {
            let start = item.split(separator: "/").first.map { $0.split(separator: "-").first.map(String.init) ?? "" } ?? ""
            let isOpen =
                item.split(separator: "/").first?.hasSuffix("-") == true && !start.isEmpty
                && start.allSatisfy { $0.isASCII && ($0.isNumber || $0.isLetter) }
            throw error(
                unit.title, column, "\(Self.quoted(item)) lacks a number",
                isOpen ? "write \(start)-\(unit.range.upperBound) or \(start)" : "write \(unit.expectation)")
        }
        guard text.utf8.count <= 4, text.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(text) else {
            // "monday" and "sept" are clear to a person, and no name of cron's.
            let meant = name.utf8.count > 3 ? unit.names.first { name.hasPrefix($0) } : Self.nearestName(name, unit)
            throw error(
                unit.title, column, "\(Self.quoted(text)) is not understood",
                meant.map { "did you mean \($0)?" } ?? "write \(unit.expectation)")
        }
        guard unit.range.contains(number) else {
            throw error(
                unit.title, column, "\(number) is out of range \(unit.range.lowerBound)-\(unit.range.upperBound)",
                Self.nearest(to: number, unit))
        }
        return number
    }

    private static func nearestName(_ name: String, _ unit: CronUnit) -> String? {
        let ranked = unit.names.map { ($0, zip($0, name).count(where: ==)) }
        return ranked.max { $0.1 < $1.1 }.flatMap { $0.1 >= 2 ? $0.0 : nil }
    }

    private static func nearest(to number: Int, _ unit: CronUnit) -> String {
        switch (unit, number) {
        case (.minute, 60): "write 0 for the full hour"
        case (.second, 60): "write 0 for the full minute"
        case (.hour, 24): "write 0 for midnight"
        case (.weekDay, _): "write 0 to 6 for Sunday to Saturday; 7 is Sunday too"
        case (.monthDay, 32...): "the nearest is 31; L is the last day of any month"
        default: "the nearest is \(number > unit.range.upperBound ? unit.range.upperBound : unit.range.lowerBound)"
        }
    }
}
