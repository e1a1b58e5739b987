/// Reads the text of a cron expression.
struct CronParser {
    /// An item of a field's list as it was written, for warnings about what was probably meant.
    struct Item {
        var text: String
        var isStar = false
        var isRange = false
        var step: Int?
        /// The first and last value, before the step; a range may wrap around.
        var first = 0
        var last = 0
    }

    /// A field: the values that match.
    struct Field {
        var bits: UInt64 = 0
        var column = 1
        var text = "*"
        var items: [Item] = []
        var specialMonthDays: [CronExpression.MonthDay] = []
        var specialWeekDays: [CronExpression.WeekDay] = []

        var beginsWithStar: Bool { text.hasPrefix("*") }
    }

    struct Fields {
        var every: Int64?
        var hasSeconds = false
        var isMacro = false
        var second = Field(bits: 1, text: "0")
        var minute = Field(bits: CronUnit.minute.all)
        var hour = Field(bits: CronUnit.hour.all)
        var monthDay = Field(bits: CronUnit.monthDay.all)
        var month = Field(bits: CronUnit.month.all)
        var weekDay = Field(bits: CronUnit.weekDay.all)
    }

    typealias Word = (text: String, column: Int)

    static let macros: [(name: String, fields: String)] = [
        ("@yearly", "0 0 1 1 *"), ("@annually", "0 0 1 1 *"), ("@monthly", "0 0 1 * *"), ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"), ("@midnight", "0 0 * * *"), ("@hourly", "0 * * * *"),
    ]

    /// More than any expression needs, and little enough to be read in no time.
    private static let longestText = 1000

    private let text: String

    init(text: String) {
        self.text = text
    }

    func parse() throws(CronExpressionError) -> Fields {
        guard text.utf8.count <= Self.longestText else {
            throw error(nil, 1, "the expression has more than \(Self.longestText) bytes", "write ranges and steps instead of lists")
        }
        let words = split()
        guard let first = words.first else {
            throw error(nil, 1, "the expression is empty", "write five fields, such as \"0 2 * * *\"")
        }
        if first.text.hasPrefix("@") { return try macro(words) }
        try expectFields(words)
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

    private func split() -> [Word] {
        var words: [Word] = []
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

    /// Five fields, or six; says what the others may have been meant to be.
    private func expectFields(_ words: [Word]) throws(CronExpressionError) {
        // A line of a crontab goes on with a command, one of /etc/crontab with a user before it.
        if words.count > 5, let command = words[5...].first(where: { !Self.couldBeField($0.text) }) {
            let five = words[..<5].map(\.text).joined(separator: " ")
            throw error(
                nil, words[5].column,
                "text after the five fields, beginning at column \(words[5].column): \(Self.quoted(command.text))",
                "write \(Self.quoted(five)) alone; the job's kind says what is run")
        }
        guard words.count != 5, words.count != 6 else { return }
        let reason = "\(words.count) \(words.count == 1 ? "field" : "fields") where five are wanted"
        let order = "minute, hour, day of month, month and day of week; a sixth one in front is the second"
        let padded = (words.map(\.text) + ["*", "*", "*"]).prefix(5).joined(separator: " ")
        if (2...4).contains(words.count), (try? CronParser(text: padded).parse()) != nil {
            throw error(nil, 1, reason, "write \(Self.quoted(padded)): \(order)")
        }
        if words.count == 7 {
            throw error(
                nil, words[6].column, reason,
                "write \(Self.quoted(words[..<6].map(\.text).joined(separator: " "))), without a year: \(order)")
        }
        throw error(nil, 1, reason, "write \(order), such as \"0 2 * * *\"")
    }

    /// Whether a word has the characters of a field, as commands and users' names rarely do.
    private static func couldBeField(_ word: String) -> Bool {
        guard let first = word.first, first != "/" else { return false }
        var run = ""
        for character in word + "," {
            if character.isASCII, character.isLetter {
                run.append(character)
                continue
            }
            let name = ascii(run)
            let isName = CronUnit.allCases.contains { $0.names.contains(name) }
            guard run.isEmpty || isName || ["L", "W", "LW", "WL"].contains(name) else { return false }
            guard character.isASCII, character.isNumber || "*,-/#?".contains(character) else { return false }
            run = ""
        }
        return true
    }

    private func macro(_ words: [Word]) throws(CronExpressionError) -> Fields {
        let name = words[0].text.lowercased()
        if name == "@every" { return try every(words) }
        if name == "@reboot" {
            throw error(
                nil, 1, "@reboot is no time: a daemon that restarts would run the job each time",
                "write a time of day; a fire that was missed while the host was down is made up for by catch_up = true")
        }
        guard let fields = Self.macros.first(where: { $0.name == name })?.fields else {
            let known = Self.macros.map(\.name) + ["@every"]
            let nearest = Self.nearest(to: name, among: known)
            let all = Self.macros.map(\.name).joined(separator: ", ")
            throw error(
                nil, 1, "\(Self.quoted(words[0].text)) is not known",
                (nearest.map { "did you mean \($0)? " } ?? "") + "write one of \(all), or @every with a duration")
        }
        guard words.count == 1 else {
            throw error(
                nil, words[1].column, "\(Self.quoted(words[1].text)) after \(Self.quoted(words[0].text))",
                "write \(name) alone, or its fields \"\(fields)\"")
        }
        var result = try CronParser(text: fields).parse()
        result.isMacro = true
        return result
    }

    private func every(_ words: [Word]) throws(CronExpressionError) -> Fields {
        let column = words.count > 1 ? words[1].column : 1
        guard words.count == 2 else {
            throw error(nil, column, "@every wants one duration of whole seconds", "write it as in \"@every 90m\"")
        }
        guard let duration = DurationText.parse(words[1].text), duration >= .seconds(1),
            duration.wholeMicroseconds % 1_000_000 == 0
        else {
            let isNumber = words[1].text.allSatisfy { $0.isASCII && $0.isNumber } && Int(words[1].text).map { $0 > 0 } == true
            throw error(
                nil, column, "@every wants one duration of whole seconds, not \(Self.quoted(words[1].text))",
                isNumber ? "give its unit: \"@every \(words[1].text)m\"" : "write it as in \"@every 90m\"")
        }
        var fields = Fields()
        fields.every = duration.wholeMicroseconds / 1_000_000
        return fields
    }

    func error(_ field: String?, _ column: Int, _ reason: String, _ accepted: String) -> CronExpressionError {
        CronExpressionError(field: field, column: column, reason: reason, accepted: accepted)
    }

    /// In quotes, short, and without control characters, which could forge lines in a log.
    static func quoted(_ text: String) -> String {
        let plain = text.unicodeScalars.map { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: "\u{FFFD}"
            default: String(scalar)
            }
        }
        return plain.count > 40 ? "\"\(plain.prefix(40).joined())…\"" : "\"\(plain.joined())\""
    }

    /// Capitals for ASCII letters alone, so that no character becomes two.
    static func ascii(_ text: some StringProtocol) -> String {
        String(text.map { $0.isASCII ? Character($0.uppercased()) : $0 })
    }

    /// The word that differs by one or two letters; `nil` if none does.
    static func nearest(to word: String, among known: [String]) -> String? {
        let ranked = known.map { (word: $0, distance: distance(Array(word.utf8), Array($0.utf8))) }
        return ranked.min { $0.distance < $1.distance }.flatMap { $0.distance <= 2 ? $0.word : nil }
    }

    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        guard abs(left.count - right.count) <= 2 else { return 3 }
        var row = Array(0...right.count)
        for (index, byte) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for (column, other) in right.enumerated() {
                let replaced = diagonal + (byte == other ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, row[column] + 1, row[column + 1] + 1)
            }
        }
        return row[right.count]
    }
}
