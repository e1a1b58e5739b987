/// What a field of a cron expression counts.
enum CronUnit: CaseIterable {
    case second, minute, hour, monthDay, month, weekDay

    /// The field's name in messages.
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

    /// The numbers that may be written; among weekdays both 0 and 7 are Sunday.
    var range: ClosedRange<Int> {
        switch self {
        case .second, .minute: 0...59
        case .hour: 0...23
        case .monthDay: 1...31
        case .month: 1...12
        case .weekDay: 0...7
        }
    }

    /// How many different values there are.
    var size: Int { self == .weekDay ? 7 : range.count }

    /// The last of the different values.
    var last: Int { self == .weekDay ? 6 : range.upperBound }

    /// The bits of all values.
    var all: UInt64 { ((1 as UInt64) << UInt64(last + 1)) - (1 << UInt64(range.lowerBound)) }

    /// The names that may be written for numbers, beginning at the first number of the range.
    var names: [String] {
        switch self {
        case .month: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
        case .weekDay: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
        default: []
        }
    }

    /// What may be written, in words.
    var expectation: String {
        let numbers = "\(range.lowerBound)-\(range.upperBound)"
        guard let first = names.first, let last = names.last else { return "numbers in \(numbers)" }
        return "numbers in \(numbers) or names \(first)-\(last)"
    }

    /// Full names in English, by value.
    var fullNames: [String] {
        switch self {
        case .month:
            [
                "", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
                "November", "December",
            ]
        case .weekDay: ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
        default: []
        }
    }
}
