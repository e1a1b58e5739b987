import Schedule

/// Reads the English that schedules are said in, so that a test can tell whether it says what the expression does.
struct WordsReader {
    struct NotUnderstood: Error, CustomStringConvertible {
        let description: String
    }

    private static let weekDays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]

    /// The times of day, where they are listed.
    private(set) var times: Set<Int>?
    /// What was read; minutes and hours are without meaning where times of day are listed.
    private(set) var meaning: RandomExpression
    private var rest: Substring
    private let words: String

    init(_ words: String) throws {
        self.words = words
        rest = words[...]
        meaning = RandomExpression(
            seconds: .init(text: "", values: [0]), minutes: .init(text: "", values: Set(0...59)),
            hours: .init(text: "", values: Set(0...23)), monthDays: .init(text: "", values: Set(1...31)),
            months: .init(text: "", values: Set(1...12)), weekDays: .init(text: "", values: Set(0...6)), rule: .and)
        try time()
        _ = take(" every day")
        if take(" on ") { try days() }
        if take(" in ") { meaning.months.values = try list { try $0.run(Self.months, from: 1) } }
        if !rest.isEmpty { throw fault() }
    }

    private func fault() -> NotUnderstood { NotUnderstood(description: "\"\(words)\" from \"\(rest)\" on") }

    private mutating func take(_ literal: String) -> Bool {
        guard rest.hasPrefix(literal) else { return false }
        rest.removeFirst(literal.count)
        return true
    }

    private mutating func expect(_ literal: String) throws { if !take(literal) { throw fault() } }

    private mutating func number() throws -> Int {
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        rest.removeFirst(digits.count)
        guard let number = Int(digits) else { throw fault() }
        return number
    }

    private mutating func ordinal() throws -> Int {
        let number = try number()
        let ending = (11...13).contains(number % 100) ? "th" : [1: "st", 2: "nd", 3: "rd"][number % 10] ?? "th"
        try expect(ending)
        return number
    }

    private func attempt<Value>(_ read: (inout WordsReader) throws -> Value) -> (Value, WordsReader)? {
        var copy = self
        guard let value = try? read(&copy) else { return nil }
        return (value, copy)
    }

    /// `a, b and c`, as long as items come.
    private mutating func list(_ item: (inout WordsReader) throws -> Set<Int>) throws -> Set<Int> {
        var values = try item(&self)
        for separator in [", ", " and "] {
            while let (more, copy) = attempt({ reader in
                try reader.expect(separator)
                return try item(&reader)
            }) {
                values.formUnion(more)
                self = copy
            }
        }
        return values
    }

    /// A name, or `a to c` over the end if need be.
    private mutating func run(_ names: [String], from lowest: Int) throws -> Set<Int> {
        guard let first = names.firstIndex(where: { take($0) }) else { throw fault() }
        var copy = self
        guard copy.take(" to "), let last = names.firstIndex(where: { copy.take($0) }) else { return [first + lowest] }
        self = copy
        var values = [first]
        while values[values.count - 1] != last { values.append((values[values.count - 1] + 1) % names.count) }
        return Set(values.map { $0 + lowest })
    }

    private mutating func numbers() throws -> Set<Int> {
        try list { reader in
            let first = try reader.number()
            return reader.take(" to ") ? Set(first...(try reader.number())) : [first]
        }
    }

    private func every(_ step: Int, from start: Int, below end: Int) -> Set<Int> { Set(stride(from: start, to: end, by: step)) }

    // MARK: - Times

    private mutating func time() throws {
        if let (times, copy) = attempt({ reader in
            try reader.expect("at ")
            return try reader.list { [try $0.timeOfDay()] }
        }) {
            self = copy
            self.times = times
        } else if take("every second") {
            try secondsTail(Set(0...59))
        } else if take("at second") {
            _ = take("s")
            try expect(" ")
            let seconds = try numbers()
            try secondsTail(seconds)
        } else if take("at minute") {
            _ = take("s")
            try expect(" ")
            meaning.minutes.values = try numbers()
            try expect(" of ")
            try everyHour()
        } else if take("every minute") {
            try hours()
        } else if take("every hour") {
            meaning.minutes.values = [0]
            if rest.hasPrefix(" from ") {
                _ = take(" ")
                meaning.hours.values = try stretches(lastMinute: 0)
            }
        } else {
            try expect("every ")
            let step = try number()
            if take(" hours") {
                meaning.minutes.values = [0]
                meaning.hours.values = every(step, from: take(" starting at ") ? try timeOfDay() / 3600 : 0, below: 24)
            } else if take(" minutes") {
                meaning.minutes.values = every(step, from: take(" starting at minute ") ? try number() : 0, below: 60)
                try hours()
            } else {
                try expect(" seconds")
                try secondsTail(every(step, from: take(" starting at second ") ? try number() : 0, below: 60))
            }
        }
    }

    private mutating func secondsTail(_ seconds: Set<Int>) throws {
        meaning.seconds?.values = seconds
        if take(" of every minute") {
            try hours()
        } else if take(" of every ") {
            let step = try ordinal()
            try expect(" minute")
            meaning.minutes.values = every(step, from: take(" starting at minute ") ? try number() : 0, below: 60)
            try hours()
        } else if take(" of minute") {
            _ = take("s")
            try expect(" ")
            meaning.minutes.values = try numbers()
            try expect(" of ")
            try everyHour()
        } else {
            try hours()
        }
    }

    private mutating func timeOfDay() throws -> Int {
        let hour = try number()
        try expect(":")
        let minute = try number()
        return hour * 3600 + minute * 60 + (take(":") ? try number() : 0)
    }

    private mutating func hours() throws {
        if rest.hasPrefix(" in every ") {
            _ = take(" in ")
            try everyHour()
        } else if rest.hasPrefix(" from ") {
            _ = take(" ")
            meaning.hours.values = try stretches(lastMinute: 59)
        }
    }

    private mutating func everyHour() throws {
        try expect("every ")
        if take("hour") {
            return try hours()
        }
        let step = try ordinal()
        try expect(" hour")
        meaning.hours.values = every(step, from: take(" starting at ") ? try timeOfDay() / 3600 : 0, below: 24)
    }

    private mutating func stretches(lastMinute: Int) throws -> Set<Int> {
        try list { reader in
            try reader.expect("from ")
            var hours = [try reader.timeOfDay() / 3600]
            try reader.expect(" to ")
            let last = try reader.timeOfDay()
            guard last / 60 % 60 == lastMinute else { throw reader.fault() }
            while hours[hours.count - 1] != last / 3600 { hours.append((hours[hours.count - 1] + 1) % 24) }
            return Set(hours)
        }
    }

    // MARK: - Days

    private mutating func days() throws {
        if let (_, copy) = attempt({ reader in
            try reader.weekDays()
            if reader.take(", but only on ") { try reader.date() }
            // What remains can only be the months.
            guard reader.rest.isEmpty || reader.rest.hasPrefix(" in ") else { throw reader.fault() }
        }) {
            self = copy
            return
        }
        try date()
        if take(", and also on ") {
            meaning.rule = .or
            try weekDays()
            _ = take(",")
        }
    }

    private mutating func weekDays() throws {
        var specials: [RandomExpression.Special] = []
        meaning.weekDays.values = try list { reader in
            guard reader.take("the ") else { return try reader.run(Self.weekDays, from: 0) }
            let number = reader.take("last ") ? nil : try reader.ordinal()
            if number != nil { try reader.expect(" ") }
            guard let day = Self.weekDays.firstIndex(where: { reader.take($0) }) else { throw reader.fault() }
            try reader.expect(" of the month")
            specials.append(number.map { .nth($0, weekday: day) } ?? .lastOf(weekday: day))
            return []
        }
        meaning.weekDays.specials = specials
    }

    private mutating func date() throws {
        var specials: [RandomExpression.Special] = []
        meaning.monthDays.values = try list { reader in
            if reader.take("every ") {
                let step = try reader.ordinal()
                try reader.expect(" day from the ")
                let first = try reader.ordinal()
                try reader.expect(" to the ")
                return reader.every(step, from: first, below: try reader.ordinal() + 1)
            }
            try reader.expect("the ")
            if reader.take("last day") {
                specials.append(.last(before: 0))
            } else if reader.take("day before the last day") {
                specials.append(.last(before: 1))
            } else if reader.take("last weekday") {
                specials.append(.lastWeekday)
            } else if reader.take("weekday nearest to the ") {
                specials.append(.nearestWeekday(try reader.ordinal()))
            } else {
                let first = try reader.ordinal()
                if reader.take(" day before the last day") {
                    specials.append(.last(before: first))
                } else {
                    return reader.take(" to the ") ? Set(first...(try reader.ordinal())) : [first]
                }
            }
            return []
        }
        meaning.monthDays.specials = specials
        try expect(" of ")
        if take("the month") { return }
        guard let month = Self.months.firstIndex(where: { take($0) }) else { throw fault() }
        meaning.months.values = [month + 1]
    }
}
