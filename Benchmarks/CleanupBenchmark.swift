import Jobs
import Postgres

/// One `DELETE` of all old rows beside the retention job, on copies of one database.
struct CleanupBenchmark {
    let arena: Arena
    let rows: Int
    let runs: Int

    private static let limit = #"(now() AT TIME ZONE 'UTC') - interval '90 days'"#

    private enum Contestant: String, CaseIterable {
        case statement = "one DELETE"
        case job = "pgcaretaker run activity-cleanup"
    }

    private struct Result {
        var times = Times()
        var latencies: [Double] = []
        var log: [Double] = []
    }

    func measure() async throws -> Section {
        var results: [Contestant: Result] = [:]
        var idle: [Double] = []
        for run in 1...runs {
            // In turns, so that a machine that gets slower or faster on the way does so for both.
            for contestant in run.isMultiple(of: 2) ? Contestant.allCases.reversed() : Contestant.allCases {
                let name = "cleanup_\(run)_\(contestant == .job ? "job" : "statement")"
                try await arena.copyOriginal(to: name)
                if idle.isEmpty {
                    idle = try await InsertClient.idle(on: arena.target(name))
                    try await arena.settle()
                }
                Console.note("cleanup: \(contestant.rawValue), run \(run) of \(runs)")
                try await take(contestant, on: name, into: &results[contestant, default: Result()])
                try await arena.drop(name)
            }
        }
        return section(
            statement: results[.statement, default: Result()], job: results[.job, default: Result()],
            idle: Percentile.of(idle, 99))
    }

    private func take(_ contestant: Contestant, on name: String, into result: inout Result) async throws {
        let configuration = try arena.configure(name, database: name)
        let begin = try await arena.logPosition()
        let (time, latencies) = try await InsertClient.measure(on: arena.target(name)) {
            switch contestant {
            case .statement:
                try await arena.execute(#"DELETE FROM activities WHERE "createdAt" < \#(Self.limit)"#, on: name)
            case .job:
                try await arena.runJob("activity-cleanup", configuration: configuration)
            }
        }
        let end = try await arena.logPosition()
        // A contestant that is quick because it does not do the work must not win. Rows grow old meanwhile, hence the minute.
        let left = try await arena.execute(
            #"SELECT count(*) FROM activities WHERE "createdAt" < \#(Self.limit) - interval '1 minute'"#, on: name)
        guard left == "0" else { throw BenchmarkFailure("\(contestant.rawValue) left \(left ?? "?") old rows behind") }
        result.times.add(time)
        result.latencies += latencies
        result.log.append(Double(end - begin))
    }

    private func section(statement: Result, job: Result, idle: Double) -> Section {
        var section = Section(
            .cleanup, "\(HumanText.count(Int64(rows / 2))) of \(HumanText.count(Int64(rows))) rows are older than 90 days",
            columns: [
                .init(key: "contestant", title: "CONTESTANT"), .init(key: "runs", title: "RUNS"),
                .init(key: "shortest_seconds", title: "SHORTEST"), .init(key: "median_seconds", title: "MEDIAN"),
                .init(key: "ratio", title: "RATIO"), .init(key: "insert_p99_milliseconds", title: "INSERT P99"),
                .init(key: "insert_longest_milliseconds", title: "LONGEST"), .init(key: "wal_bytes", title: "WAL"),
            ])
        section.add(
            .text("nothing but the inserts"), .none, .none, .none, .none, .number(idle, Number.milliseconds), .none, .none)
        for (contestant, result) in [(Contestant.statement, statement), (.job, job)] {
            section.add(
                .text(contestant.rawValue), .count(result.times.seconds.count),
                .number(result.times.shortest, Number.seconds), .number(result.times.median, Number.seconds),
                .number(result.times.shortest / statement.times.shortest, Number.ratio),
                .number(Percentile.of(result.latencies, 99), Number.milliseconds),
                .number(result.latencies.max() ?? .nan, Number.milliseconds),
                .bytes(Int64(Percentile.of(result.log, 50))))
        }
        let ratio = job.times.shortest / statement.times.shortest
        section.aim("time at most 2.5 × that of one DELETE", measured: Number.ratio(ratio), isReached: ratio <= 2.5)
        let p99 = Percentile.of(job.latencies, 99)
        section.aim(
            "p99 of inserts meanwhile at most 5 ms above idle", measured: "\(Number.milliseconds(p99 - idle)) above",
            isReached: p99 <= idle + 5)
        if let remark = InsertClient.remark(idle: idle) { section.note(remark) }
        return section
    }
}
