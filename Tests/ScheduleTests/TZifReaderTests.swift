import Foundation
import Schedule
import Testing

@Suite("Zone files")
struct TZifReaderTests {
    private static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: "/usr/share/zoneinfo/\(name)")))
    }

    /// A file of version 1 to 4 with one transition, from UTC+1 to UTC+2 at an instant.
    static func file(version: UInt8 = 50, transition: Int64 = 1_000_000_000, footer: String = "", leaps: Int32 = 0) -> [UInt8] {
        func number(_ value: Int64, _ width: Int) -> [UInt8] {
            (0..<width).map { UInt8(truncatingIfNeeded: value >> Int64(8 * (width - 1 - $0))) }
        }
        func block(width: Int) -> [UInt8] {
            var bytes = Array("TZif".utf8) + [version] + [UInt8](repeating: 0, count: 15)
            for count in [0, 0, Int64(leaps), 1, 2, 8] { bytes += number(count, 4) }
            bytes += number(transition, width) + [1]
            bytes += number(3600, 4) + [0, 0] + number(7200, 4) + [1, 4]
            bytes += Array("ONE\0TWO\0".utf8)
            return bytes + [UInt8](repeating: 0, count: Int(leaps) * (width + 4))
        }
        guard version >= 50 else { return block(width: 4) }
        return block(width: 4) + block(width: 8) + Array("\n\(footer)\n".utf8)
    }

    private func offsets(_ rules: ZoneRules, _ instants: String...) throws -> [Int] {
        try instants.map { rules.offset(at: try #require(Instant(rfc3339: $0))).seconds }
    }

    @Test("are read in every version", arguments: [0, 50, 51, 52] as [UInt8])
    func versions(version: UInt8) throws {
        let rules = try ZoneRules(identifier: "Test", tzif: Self.file(version: version))
        #expect(try offsets(rules, "2001-09-09T01:46:39Z", "2001-09-09T01:46:40Z", "2090-01-01T00:00:00Z") == [3600, 7200, 7200])
        #expect(rules.offset(at: Instant(secondsSinceEpoch: 2_000_000_000)).abbreviation == "TWO")
    }

    @Test(
        "go on by their rule",
        arguments: [
            // Dublin: standard time in summer, and "daylight" time an hour back in winter.
            ("IST-1GMT0,M10.5.0,M3.5.0/1", "2050-03-27T00:59:59Z", 0, 3600),
            ("IST-1GMT0,M10.5.0,M3.5.0/1", "2050-10-30T00:59:59Z", 3600, 0),
            // Nuuk's change comes before midnight, Gaza's days after the day that is named.
            ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2050-03-27T00:59:59Z", -7200, -3600),
            ("EET-2EEST,M3.4.4/50,M10.4.4/50", "2050-03-25T23:59:59Z", 7200, 10800),
            ("EST5EDT,M3.2.0,M11.1.0", "2050-03-13T06:59:59Z", -18000, -14400),
            ("AAA-1BBB,J60/0,J300/0", "2052-02-29T22:59:59Z", 3600, 7200),
            ("AAA-1BBB,59/0,300/0", "2052-02-28T22:59:59Z", 3600, 7200),
            ("AAA-1:30BBB-2:00:30,J60,J300", "2050-03-01T00:29:59Z", 5400, 7230),
            // South of the equator the year begins in summer.
            ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2050-10-01T15:29:59Z", 37800, 39600),
        ])
    func footers(rule: String, before: String, first: Int, second: Int) throws {
        let rules = try ZoneRules(identifier: "Test", tzif: Self.file(footer: rule))
        let instant = try #require(Instant(rfc3339: before))
        #expect(rules.offset(at: instant).seconds == first)
        #expect(rules.offset(at: instant + .seconds(1)).seconds == second)
        let changes = rules.changes(after: instant - .seconds(1), through: instant + .seconds(1))
        #expect(changes.map(\.at) == [instant + .seconds(1)])
    }

    @Test("may have daylight time for good")
    func permanentDaylight() throws {
        let rules = try ZoneRules(identifier: "Test", tzif: Self.file(footer: "XXX3EDT4,0/0,J365/23"))
        let since = try #require(Instant(rfc3339: "2002-01-01T00:00:00Z"))
        #expect(rules.changes(after: since, through: since + .seconds(100 * 365 * 86400)).isEmpty)
        #expect(rules.offset(at: since).seconds == -14400)
    }

    @Test(
        "are refused with a sentence when their rule makes no sense",
        arguments: [
            "X", "XX1", "EST", "EST5EDT", "EST5EDT,M3.2.0", "EST5EDT,M13.2.0,M11.1.0", "EST5EDT,M3.6.0,M11.1.0", "EST5EDT,J0,J300",
            "EST5EDT,366,0", "EST5EDT,M3.2.0/168,M11.1.0", "EST5EDT,M3.2.0,M11.1.0x", "EST99", "EST5:60", "<EST5", "<E\u{1B}T>5",
        ])
    func badFooters(rule: String) {
        let error = #expect(throws: ZoneRulesError.self) {
            try ZoneRules(identifier: "Test", tzif: Self.file(footer: rule))
        }
        #expect(error.map { "\($0)" }?.contains("rule for the future") == true)
        #expect(error.map { "\($0)" }?.contains("\u{1B}") == false)
    }

    @Test("are refused when they are something else")
    func otherFiles() throws {
        #expect(throws: ZoneRulesError.notTZif) { try ZoneRules(identifier: "Test", tzif: []) }
        #expect(throws: ZoneRulesError.notTZif) { try ZoneRules(identifier: "Test", tzif: Array("# zone table".utf8)) }
        #expect(throws: ZoneRulesError.damaged("it counts leap seconds")) {
            try ZoneRules(identifier: "Test", tzif: Self.file(leaps: 1))
        }
        #expect(throws: ZoneRulesError.damaged("a transition is beyond all time")) {
            try ZoneRules(identifier: "Test", tzif: Self.file(transition: .max - 3))
        }
    }

    private static let damagedZones = ["Europe/Dublin", "America/New_York", "Asia/Kolkata", "Africa/Casablanca", "UTC"]

    @Test("cut off anywhere are refused", arguments: damagedZones)
    func truncated(name: String) throws {
        let whole = try Self.bytes(name)
        for length in 0..<whole.count {
            #expect(throws: ZoneRulesError.self, "\(length) bytes") {
                try ZoneRules(identifier: name, tzif: Array(whole[..<length]))
            }
        }
    }

    @Test("of version 1 cut off anywhere are refused")
    func truncatedVersion1() {
        let whole = Self.file(version: 0)
        for length in 0..<whole.count {
            #expect(throws: ZoneRulesError.self) { try ZoneRules(identifier: "Test", tzif: Array(whole[..<length])) }
        }
    }

    @Test(
        "with bytes turned over are refused, or give rules that a schedule can be asked by", .timeLimit(.minutes(1)),
        arguments: damagedZones)
    func flipped(name: String) throws {
        let whole = try Self.bytes(name)
        var generator = SeededGenerator(state: 4)
        let schedules = try ["30 2 * * *", "*/15 * * * *", "0 0 29 2 *", "*/30 1 * * SUN"].map { try CronExpression($0) }
        let instants = [Int64.min / 1_000_000, -9_000_000_000_000, 0, 1_000_000_000, 4_000_000_000, 9_000_000_000_000]
        var accepted = 0
        for _ in 0..<400 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            guard let rules = try? ZoneRules(identifier: name, tzif: bytes) else { continue }
            accepted += 1
            for second in instants {
                let segment = rules.segment(at: second)
                #expect(segment.start <= second && second < segment.end)
            }
            for expression in schedules {
                let schedule = ZonedSchedule(expression: expression, zone: rules)
                for second in [0, 1_000_000_000, 4_000_000_000] as [Int64] {
                    let instant = Instant(secondsSinceEpoch: second)
                    if let next = schedule.next(after: instant) { #expect(next > instant) }
                }
            }
        }
        #expect(accepted > 0)
    }
}
