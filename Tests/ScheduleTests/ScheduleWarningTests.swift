import Schedule
import Testing

@Suite("Warnings of schedules")
struct ScheduleWarningTests {
    @Test(
        "name what is probably not meant, and what to write",
        arguments: [
            ("*/35 * * * *", "\"*/35\" (minute) is uneven: 35 minutes apart, but 25 minutes", "*/30 or \"@every 35m\""),
            ("0-59/7 * * * *", "uneven", "@every 7m"), ("0 */5 * * *", "5 hours apart, but 4 hours", "*/4 or \"@every 5h\""),
            ("*/45 * * * * *", "45 seconds apart, but 15 seconds", "@every 45s"), ("0 0 1 */5 *", "5 months apart", "*/4"),
            ("0 0 * * */2", "2 days apart, but 1 day", "name the days"), ("0 0 */3 * *", "begins anew on the 1st", "@every 3d"),
            ("*/60 * * * *", "reaches no second value, so it means 0 alone", "write 0"),
            ("5-10/20 * * * *", "means 5 alone", "smaller step"), ("0 0 * 6/12 *", "means June alone", "write 6"),
            ("5/15 * * * *", "means 5-59/15 here, and 5 alone to Debian's cron", "5-59/15"),
            (
                "0 0 1-7 * 1", "on days 1-7 and on every Monday besides",
                "1st Monday of the month? use * for the day of month and 1#1"
            ),
            ("0 0 8-14 * 2,4", "every Tuesday and Thursday", "2#2,4#2"),
            ("0 0 25-31 * 5", "every Friday", "last Friday of the month"),
            ("0 0 */2 * 1", "must match both", "days = \"and\" or days = \"or\""),
            ("0 0 13 * 5", "either is enough", "days = \"and\""),
            ("30 4 1,15 * 5", "either is enough", "days = \"or\""),
            ("0 0 13 * 0-6", "fires every day", "write * for the day of week"),
            ("0 0 1-31 * 5", "fires every day", "write * for the day of month"),
            ("0 0 30 2 1", "never comes in February, so only the day of week counts", "write * for the day of month"),
            ("0 0 31 * *", "7 months of 12", "write L"), ("0 0 30 * *", "11 months of 12", "write L"),
            ("0 0 L-30 * *", "7 months of 12", "write L"), ("0 0 31W 4-7 *", "2 months of 4", "write L"),
            ("0 0 29 2 *", "leap years only", "write L"), ("* 2 * * *", "each of the 60 minutes", "write 0 for the minute"),
            ("* 0 2 * * *", "each of the 60 seconds", "write 0 for the second"), ("0 0 * * 5#5", "few months have five", "FRIL"),
        ])
    func warned(text: String, message: String, hint: String) throws {
        let warnings = try CronExpression(text).warnings
        let found = warnings.first { $0.message.contains(message) }
        #expect(found?.hint.contains(hint) == true, "\(warnings)")
    }

    @Test(
        "are not given for what is plain",
        arguments: [
            "0 2 * * *", "0 2 * * 0", "*/15 * * * *", "0 */6 * * *", "@every 35m", "@monthly", "0 0 L * *", "0 0 1,15 * *",
            "*/15 9-17 * * 1-5", "* 9-17 * * *", "* * * * *", "*/20 * * * * *", "0 0 1 */3 *", "0 0 * * 1#1", "0 0 28 * *",
            "10-50/10 * * * *", "0 22-4/2 * * *", "0 0 * * 5#5,5#4", "0 0 31 1,3,12 *",
        ])
    func plain(text: String) throws {
        #expect(try CronExpression(text).warnings == [])
    }

    @Test("are silenced by saying how the day fields go together", arguments: [CronExpression.DayRule.and, .or])
    func said(rule: CronExpression.DayRule) throws {
        #expect(try CronExpression("0 0 13 * 5", days: rule).warnings == [])
        #expect(try CronExpression("0 0 1-7 * 1", days: rule).warnings == [])
    }

    @Test("an expression is read for them without fail, and they say something")
    func any() {
        var generator = SeededGenerator(state: 99)
        var count = 0
        for _ in 0..<500 {
            let random = RandomExpression(using: &generator, rareDays: 7, withSeconds: 3)
            guard let expression = try? CronExpression(random.text, days: random.rule) else { continue }
            for warning in expression.warnings {
                #expect(!warning.message.isEmpty && !warning.hint.isEmpty)
                count += 1
            }
        }
        #expect(count > 500)
    }
}
