import Schedule
import Testing

@Suite("Schedules in words")
struct ScheduleWordsTests {
    @Test(
        "read as a person would say them",
        arguments: [
            ("0 2 * * 0", "at 02:00 on Sunday"), ("0 2 * * *", "at 02:00 every day"), ("*/15 * * * *", "every 15 minutes"),
            ("0 2 L * *", "at 02:00 on the last day of the month"), ("* * * * *", "every minute"), ("0 * * * *", "every hour"),
            ("30 * * * *", "at minute 30 of every hour"), ("0 */2 * * *", "every 2 hours"),
            ("30 */2 * * *", "at minute 30 of every 2nd hour"), ("0 1-23/2 * * *", "every 2 hours starting at 01:00"),
            ("*/15 9-17 * * MON-FRI", "every 15 minutes from 09:00 to 17:59 on Monday to Friday"),
            ("0 9-17 * * 1-5", "every hour from 09:00 to 17:00 on Monday to Friday"),
            ("0 22-5 * * *", "every hour from 22:00 to 05:00"), ("*/10 22-1 * * *", "every 10 minutes from 22:00 to 01:59"),
            ("*/35 * * * *", "at minutes 0 and 35 of every hour"), ("0 0 1 1 *", "at 00:00 on the 1st of January"),
            ("0 0 1,15 * *", "at 00:00 on the 1st and the 15th of the month"),
            ("0 0 13 * 5", "at 00:00 on the 13th of the month, and also on Friday"),
            ("0 0 */2 * 1", "at 00:00 on Monday, but only on every 2nd day from the 1st to the 31st of the month"),
            ("0 0 1-7 * 1", "at 00:00 on the 1st to the 7th of the month, and also on Monday"),
            ("0 0 30 2 1", "at 00:00 on the 30th of the month, and also on Monday, in February"),
            ("0 0 * * 5#2", "at 00:00 on the 2nd Friday of the month"), ("0 0 * * 5L", "at 00:00 on the last Friday of the month"),
            ("0 0 15W * *", "at 00:00 on the weekday nearest to the 15th of the month"),
            ("0 0 LW * *", "at 00:00 on the last weekday of the month"),
            ("0 0 L-3,L-1 * *", "at 00:00 on the 3rd day before the last day and the day before the last day of the month"),
            ("0 0 * * fri-mon", "at 00:00 on Friday to Monday"), ("0 0 * * 0,3", "at 00:00 on Wednesday and Sunday"),
            ("0 0 1 nov-feb *", "at 00:00 on the 1st of the month in November to February"),
            ("0 3 * 6,7 *", "at 03:00 every day in June and July"), ("0,30 2 * * *", "at 02:00 and 02:30 every day"),
            ("*/20 * * * * *", "every 20 seconds"), ("10 * * * * *", "at second 10 of every minute"),
            ("30 0 2 * * *", "at 02:00:30 every day"), ("*/20 5 * * * *", "every 20 seconds of minute 5 of every hour"),
            ("0 0 13 * 0-6", "at 00:00 every day"), ("@weekly", "at 00:00 on Sunday"), ("@hourly", "every hour"),
            ("@every 90m", "every 90 minutes"), ("@every 1d", "every day"), ("@every 36h", "every 36 hours"),
            ("@every 1m1s", "every 61 seconds"),
        ])
    func examples(text: String, words: String) throws {
        #expect(try CronExpression(text).words == words)
    }

    @Test("say both when a day must match both fields")
    func both() throws {
        #expect(try CronExpression("0 0 13 * 5", days: .and).words == "at 00:00 on Friday, but only on the 13th of the month")
        #expect(
            try CronExpression("0 0 */2 * 1", days: .or).words
                == "at 00:00 on every 2nd day from the 1st to the 31st of the month, and also on Monday")
    }

    @Test("read back, they mean what the expression means, whatever it is", arguments: [1, 2, 3, 4] as [UInt64])
    func readBack(seed: UInt64) throws {
        var generator = SeededGenerator(state: seed)
        let first = Civil.days(year: 2027, month: 10, day: 1)
        let last = Civil.days(year: 2029, month: 1, day: 1)
        var compared = 0
        for index in 0..<500 {
            let random = RandomExpression(using: &generator, rareDays: 7, withSeconds: 3)
            guard let expression = try? CronExpression(random.text, days: random.rule) else { continue }
            let name = Comment(rawValue: "\"\(random.text)\" (\(random.rule)): \(expression.words)")
            let reader = try WordsReader(expression.words)
            let meaning = reader.meaning
            let seconds = random.seconds?.values ?? [0]
            if let times = reader.times {
                var expected: Set<Int> = []
                for hour in random.hours.values {
                    for minute in random.minutes.values {
                        expected.formUnion(seconds.map { hour * 3600 + minute * 60 + $0 })
                    }
                }
                #expect(times == expected, name)
            } else {
                #expect(meaning.seconds?.values == seconds, name)
                #expect(meaning.minutes.values == random.minutes.values, name)
                #expect(meaning.hours.values == random.hours.values, name)
            }
            compared += 1
            // Days are many, and so they are compared for a part of the expressions.
            guard index % 4 == 0 else { continue }
            let differs = (first..<last).first { number in
                let (year, month, day) = Civil.date(days: number)
                return meaning.matchesDay(year: year, month: month, day: day)
                    != random.matchesDay(year: year, month: month, day: day)
            }
            #expect(differs == nil, name)
        }
        #expect(compared > 400)
    }
}
