import Command
import Configuration
import Foundation
import Schedule

/// What one next fire costs, beside the two programs that people ask for one.
struct ScheduleBenchmark {
    private static let fires = 1000
    private static let rounds = 7

    private struct Case {
        let name: String
        let expression: String
        var days = CronExpression.DayRule.vixie
        let zone: String
        /// The same for systemd, where it can say it (systemd.time(7)).
        var calendar: String?
        /// Whether croniter means the same by it.
        var isCroniters = true
    }

    private static let cases = [
        Case(name: "plain", expression: "0 2 * * *", zone: "UTC", calendar: "*-*-* 02:00:00 UTC"),
        Case(
            name: "daylight saving", expression: "30 2 * * *", zone: "Europe/Berlin", calendar: "*-*-* 02:30:00 Europe/Berlin"),
        Case(name: "rare", expression: "0 0 29 2 1#5", zone: "Europe/Berlin", isCroniters: false),
        Case(
            name: "rarest, both days", expression: "0 0 29 2 1#5", days: .and, zone: "Europe/Berlin", isCroniters: false),
    ]

    func measure() async throws -> Section {
        var section = Section(
            .schedule, "cost of one next fire, the shortest of \(Self.rounds) rounds",
            columns: [
                .init(key: "case", title: "CASE"), .init(key: "expression", title: "EXPRESSION"),
                .init(key: "zone", title: "ZONE"), .init(key: "pgcaretaker_microseconds", title: "PGCARETAKER"),
                .init(key: "systemd_analyze_microseconds", title: "SYSTEMD-ANALYZE"),
                .init(key: "croniter_microseconds", title: "CRONITER"),
            ])
        let hasCroniter = await croniterIsInstalled()
        for item in Self.cases {
            section.add(
                .text(item.name), .text(item.expression), .text(item.zone),
                .number(try ours(item), Number.microseconds),
                try await item.calendar.asyncMap(systemd) ?? .text("cannot say it"),
                !item.isCroniters
                    ? .text("means another thing") : hasCroniter ? try await croniter(item) : .text("not installed"))
        }
        section.note("systemd-analyze: a process that prints \(Self.fires), less one that prints one; it formats them too.")
        return section
    }

    private func ours(_ item: Case) throws -> Double {
        let schedule = ZonedSchedule(
            expression: try CronExpression(item.expression, days: item.days), zone: try ZoneFiles().rules(named: item.zone))
        let start = Instant(secondsSinceEpoch: 1_767_225_600)  // 2026
        var shortest = Double.infinity
        for _ in 1...Self.rounds {
            var count = 0
            var at = start
            let begin = ContinuousClock.now
            while count < Self.fires, let next = schedule.next(after: at) {
                at = next
                count += 1
            }
            shortest = min(shortest, begin.duration(to: .now) / .microseconds(1) / Double(count))
        }
        return shortest
    }

    // MARK: The others

    private func systemd(_ calendar: String) async throws -> Section.Cell {
        guard let program = ExecutableSearch.standard.find("systemd-analyze") else { return .text("not installed") }
        var shortest: [Int: Double] = [:]
        for _ in 1...Self.rounds {
            for count in [1, Self.fires] {
                let begin = ContinuousClock.now
                guard try await succeeds(program, ["calendar", "--iterations=\(count)", calendar]) else { return .text("failed") }
                shortest[count] = min(shortest[count] ?? .infinity, begin.duration(to: .now) / .microseconds(1))
            }
        }
        let cost = ((shortest[Self.fires] ?? .nan) - (shortest[1] ?? .nan)) / Double(Self.fires - 1)
        return .number(cost, Number.microseconds)
    }

    private func croniterIsInstalled() async -> Bool {
        guard let python = ExecutableSearch.standard.find("python3") else { return false }
        return (try? await succeeds(python, ["-c", "import croniter, zoneinfo"])) ?? false
    }

    private func croniter(_ item: Case) async throws -> Section.Cell {
        guard let python = ExecutableSearch.standard.find("python3") else { return .text("not installed") }
        let script = """
            import time, zoneinfo, datetime, croniter
            start = datetime.datetime(2026, 1, 1, tzinfo=zoneinfo.ZoneInfo("\(item.zone)"))
            best = float("inf")
            for _ in range(\(Self.rounds)):
                schedule = croniter.croniter("\(item.expression)", start)
                begin = time.perf_counter()
                for _ in range(\(Self.fires)): schedule.get_next(datetime.datetime)
                best = min(best, (time.perf_counter() - begin) / \(Self.fires))
            print(best * 1e6)
            """
        let result = try await Pipeline([Program(executable: python, arguments: ["-c", script])]).run(output: .collect(limit: 4096))
        let text = String(decoding: result.output, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return Double(text).map { .number($0, Number.microseconds) } ?? .text("failed")
    }

    private func succeeds(_ program: String, _ arguments: [String]) async throws -> Bool {
        let child = Program(executable: program, arguments: arguments, environment: ["LC_ALL": "C", "PATH": "/usr/bin:/bin"])
        return try await Pipeline([child]).run().firstFailure == nil
    }
}

extension Optional {
    fileprivate func asyncMap<Value>(_ transform: (Wrapped) async throws -> Value) async rethrows -> Value? {
        if let self { try await transform(self) } else { nil }
    }
}
