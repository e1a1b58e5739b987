import Foundation
import Schedule
import Testing

@testable import Jobs

@Suite("PruningPlan")
struct PruningPlanTests {
    private static func zone(_ name: String) throws -> ZoneRules {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: "/usr/share/zoneinfo/\(name)"))
        return try ZoneRules(identifier: name, tzif: Array(bytes))
    }

    private static func backups(_ instants: [String]) throws -> [Backup] {
        try instants.map { text in
            let manifest = try manifest(text)
            return Backup(
                directory: "/b", name: BackupName(database: "school", startedAt: manifest.startedAt, job: "nightly"),
                manifest: manifest)
        }
    }

    private static func plan(
        _ instants: [String], _ policy: PruningPolicy, zone: ZoneRules = .utc, now: String = "2027-01-01T00:00:00Z",
        clockDifference: Duration = .zero
    ) throws -> PruningPlan {
        PruningPlan(
            backups: try backups(instants), policy: policy, zone: zone, now: try #require(Instant(rfc3339: now)),
            clockDifference: clockDifference)
    }

    private static func table(_ plan: PruningPlan) -> [String] {
        plan.decisions.map { decision in
            "\(decision.backup.manifest.startedAt): \(decision.reasons.map(\.description).joined(separator: ", "))"
        }
    }

    @Test("every backup that stays has its reasons, and the others go")
    func reasons() throws {
        let plan = try Self.plan(
            [
                "2026-11-24T02:00:00Z", "2026-11-23T14:00:00Z", "2026-11-23T02:00:00Z", "2026-11-22T02:00:00Z",
                "2026-11-21T02:00:00Z", "2026-11-15T02:00:00Z", "2026-10-31T02:00:00Z", "2026-10-30T02:00:00Z",
                "2025-12-31T02:00:00Z", "2025-12-30T02:00:00Z",
            ].shuffled(), PruningPolicy(last: 1, daily: 2, weekly: 2, monthly: 2, yearly: 2))
        #expect(
            Self.table(plan) == [
                "2026-11-24T02:00:00Z: newest, last 1, daily 2026-11-24, weekly 2026-W48, monthly 2026-11, yearly 2026",
                "2026-11-23T14:00:00Z: daily 2026-11-23",
                "2026-11-23T02:00:00Z: ",
                "2026-11-22T02:00:00Z: weekly 2026-W47",
                "2026-11-21T02:00:00Z: ",
                "2026-11-15T02:00:00Z: ",
                "2026-10-31T02:00:00Z: monthly 2026-10",
                "2026-10-30T02:00:00Z: ",
                "2025-12-31T02:00:00Z: yearly 2025",
                "2025-12-30T02:00:00Z: ",
            ])
        #expect(plan.hold == nil)
        #expect(plan.removals.map(\.manifest.startedAt.rfc3339).first == "2025-12-30T02:00:00Z")
        #expect(plan.removals.count == 5)
        #expect(plan.kept.count == 5)
    }

    @Test("days without a backup do not count against those that have one")
    func gaps() throws {
        let plan = try Self.plan(
            ["2026-11-24T02:00:00Z", "2026-08-01T02:00:00Z", "2026-03-01T02:00:00Z", "2026-01-01T02:00:00Z"],
            PruningPolicy(daily: 3))
        #expect(plan.removals.map(\.manifest.startedAt.rfc3339) == ["2026-01-01T02:00:00Z"])
    }

    @Test("the newest good one stays even if the policy keeps nothing")
    func newest() throws {
        let plan = try Self.plan(["2026-11-24T02:00:00Z", "2026-11-23T02:00:00Z"], PruningPolicy())
        #expect(Self.table(plan) == ["2026-11-24T02:00:00Z: newest", "2026-11-23T02:00:00Z: "])
        #expect(try Self.plan([], PruningPolicy()).decisions.isEmpty)
    }

    @Test("a day is a day of the job's zone")
    func zones() throws {
        // 18:40 in UTC is ten past midnight of the next day in Kolkata.
        let instants = ["2026-11-23T19:00:00Z", "2026-11-23T18:40:00Z", "2026-11-23T18:20:00Z"]
        let utc = try Self.plan(instants, PruningPolicy(daily: 9))
        #expect(utc.kept.count == 1)
        let kolkata = try Self.plan(instants, PruningPolicy(daily: 9), zone: try Self.zone("Asia/Kolkata"))
        #expect(
            Self.table(kolkata) == [
                "2026-11-23T19:00:00Z: newest, daily 2026-11-24", "2026-11-23T18:40:00Z: ",
                "2026-11-23T18:20:00Z: daily 2026-11-23",
            ])
    }

    @Test("the repeated hour at the end of summer time is of one day")
    func daylightSaving() throws {
        let plan = try Self.plan(
            ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"], PruningPolicy(daily: 9), zone: try Self.zone("America/New_York"))
        #expect(Self.table(plan) == ["2026-11-01T06:30:00Z: newest, daily 2026-11-01", "2026-11-01T05:30:00Z: "])
    }

    @Test(
        "nothing goes while a backup is dated in the future",
        arguments: [
            ("2026-11-24T02:00:00Z", false), ("2026-11-24T01:59:10Z", false), ("2026-11-24T01:58:00Z", true),
            ("2026-11-23T02:00:00Z", true), ("1970-01-02T00:00:00Z", true), ("2036-01-01T00:00:00Z", false),
        ])
    func future(now: String, isHeld: Bool) throws {
        let plan = try Self.plan(
            ["2026-11-24T02:00:00Z", "2026-11-22T02:00:00Z", "2026-11-21T02:00:00Z"], PruningPolicy(last: 1), now: now)
        #expect((plan.hold != nil) == isHeld)
        #expect(plan.removals.count == (isHeld ? 0 : 2))
        if isHeld {
            #expect(plan.hold?.description.contains("20261124T020000Z-school is dated 2026-11-24T02:00:00Z") == true)
            #expect(plan.decisions.last?.reasons == [.onHold])
        }
    }

    @Test(
        "nothing goes while the clocks of host and server disagree",
        arguments: [
            (Duration.seconds(3599), false), (.seconds(3601), true), (.seconds(-3601), true), (.seconds(-3599), false),
        ])
    func clocks(difference: Duration, isHeld: Bool) throws {
        let plan = try Self.plan(
            ["2026-11-24T02:00:00Z", "2026-11-22T02:00:00Z"], PruningPolicy(last: 1), clockDifference: difference)
        #expect(plan.removals.isEmpty == isHeld)
    }

    @Test("a year of nightly backups settles at what the policy says")
    func year() throws {
        var present: [Backup] = []
        let begin = try #require(Instant(rfc3339: "2026-01-01T02:00:00Z"))
        for day in 0..<400 {
            let now = begin + .seconds(86_400 * day)
            present += try Self.backups([now.rfc3339])
            let plan = PruningPlan(backups: present, policy: .standard, zone: .utc, now: now + .seconds(60))
            present = plan.kept
            #expect(present.first?.manifest.startedAt == now)
        }
        // 7 days, the Sundays of the 3 weeks before, the last days of the 5 months before; some are both.
        #expect((13...17).contains(present.count))
    }

    @Test(
        "weeks are those of ISO 8601",
        arguments: [
            ("2026-11-23T00:00:00Z", "2026-W48"), ("2026-11-22T23:59:59Z", "2026-W47"), ("2027-01-03T12:00:00Z", "2026-W53"),
            ("2027-01-04T12:00:00Z", "2027-W01"), ("2024-12-30T12:00:00Z", "2025-W01"), ("2021-01-01T00:00:00Z", "2020-W53"),
            ("1970-01-01T00:00:00Z", "1970-W01"), ("1969-12-28T00:00:00Z", "1969-W52"), ("2000-02-29T00:00:00Z", "2000-W09"),
        ])
    func weeks(instant: String, week: String) throws {
        let period = BackupPeriod(.weekly, containing: try #require(Instant(rfc3339: instant)), in: .utc)
        #expect(period.description == week)
    }

    @Test(
        "dates are those of the calendar, leap days included",
        arguments: [
            ("2024-02-29T23:59:59Z", "2024-02-29", "2024-02"), ("2100-03-01T00:00:00Z", "2100-03-01", "2100-03"),
            ("1969-12-31T23:59:59Z", "1969-12-31", "1969-12"), ("2026-12-31T23:59:59Z", "2026-12-31", "2026-12"),
        ])
    func dates(instant: String, day: String, month: String) throws {
        let instant = try #require(Instant(rfc3339: instant))
        #expect(BackupPeriod(.daily, containing: instant, in: .utc).description == day)
        #expect(BackupPeriod(.monthly, containing: instant, in: .utc).description == month)
        #expect(BackupPeriod(.yearly, containing: instant, in: .utc).description == String(day.prefix(4)))
    }
}
