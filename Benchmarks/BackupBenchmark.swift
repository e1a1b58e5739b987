import Foundation
import Jobs
import Postgres

/// pg_dump alone, and into zstd as in a shell, beside the backup job, which compresses, takes the checksum, waits for the disk and
/// publishes.
struct BackupBenchmark {
    let arena: Arena
    let rows: Int
    let runs: Int

    private enum Contestant: String, CaseIterable {
        case limit = "pg_dump -Fc -Z0 > /dev/null (the limit)"
        case pipe = "pg_dump -Fc -Z0 | zstd -3 -T2 > file; sync file"
        case plain = "pg_dump -Fc > file"
        case job = "pgcaretaker run nightly-backup"
    }

    private struct Result {
        var times = Times()
        var latencies: [Double] = []
        var size: Int64 = 0
    }

    func measure() async throws -> Section {
        var results: [Contestant: Result] = [:]
        try await arena.settle()
        let idle = Percentile.of(try await InsertClient.idle(on: arena.target(Arena.original)), 99)
        for run in 1...runs {
            for contestant in run.isMultiple(of: 2) ? Contestant.allCases.reversed() : Contestant.allCases {
                // Four million rows take half a minute that way, and the ratio is far from where it would matter.
                if contestant == .plain, run > 1, rows > 1_000_000 { continue }
                try await arena.settle()
                Console.note("backup: \(contestant.rawValue), run \(run) of \(runs)")
                try await take(contestant, run: run, into: &results[contestant, default: Result()])
            }
        }
        return section(results, idle: idle)
    }

    /// What a careful person writes into a crontab.
    private static let pipe = """
        set -e -o pipefail
        "$1" --format=custom --compress=0 "$2" | zstd -q -3 -T2 -c > "$3/school_erp.zst"
        sync "$3/school_erp.zst"
        """

    private func take(_ contestant: Contestant, run: Int, into result: inout Result) async throws {
        let name = "backup_\(run)_\(contestant)"
        let configuration = try arena.configure(name, database: Arena.original)
        let folder = "\(arena.folder)/\(name)"
        let dump = arena.cluster.programs.path(of: "pg_dump")
        let database = "--dbname=\(arena.connectionString(Arena.original))"
        let (time, latencies) = try await InsertClient.measure(on: arena.target(Arena.original)) {
            switch contestant {
            case .limit: try await arena.run(dump, ["--format=custom", "--compress=0", database])
            case .pipe: try await arena.run("/bin/bash", ["-c", Self.pipe, "pipe", dump, database, folder])
            case .plain:
                try await arena.run(dump, ["--format=custom", "--file=\(folder)/school_erp.dump", database])
            case .job: try await arena.runJob("nightly-backup", configuration: configuration)
            }
        }
        result.times.add(time)
        result.latencies += latencies
        switch contestant {
        case .limit: break
        case .pipe: result.size = try Self.size(of: folder, suffix: ".zst")
        case .plain: result.size = try Self.size(of: folder, suffix: ".dump")
        case .job: result.size = try Self.size(of: "\(folder)/backups", suffix: ".zst")
        }
        try FileManager.default.removeItem(atPath: folder)
    }

    /// The size of the one file of a kind in a folder.
    private static func size(of folder: String, suffix: String) throws -> Int64 {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(suffix) }
        guard let name = names.first, names.count == 1 else {
            throw BenchmarkFailure("\(folder) holds \(names.count) files *\(suffix) instead of one")
        }
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
        return (attributes[.size] as? NSNumber)?.int64Value ?? 0
    }

    private func section(_ results: [Contestant: Result], idle: Double) -> Section {
        var section = Section(
            .backup, "\(HumanText.count(Int64(rows))) activities",
            columns: [
                .init(key: "contestant", title: "CONTESTANT"), .init(key: "runs", title: "RUNS"),
                .init(key: "shortest_seconds", title: "SHORTEST"), .init(key: "median_seconds", title: "MEDIAN"),
                .init(key: "ratio", title: "RATIO"), .init(key: "insert_p99_milliseconds", title: "INSERT P99"),
                .init(key: "insert_longest_milliseconds", title: "LONGEST"), .init(key: "file_bytes", title: "FILE"),
            ])
        let (limit, pipe) = (results[.limit, default: Result()], results[.pipe, default: Result()])
        let (plain, job) = (results[.plain, default: Result()], results[.job, default: Result()])
        section.add(
            .text("nothing but the inserts"), .none, .none, .none, .none, .number(idle, Number.milliseconds), .none, .none)
        for (contestant, result) in [(Contestant.limit, limit), (.pipe, pipe), (.plain, plain), (.job, job)] {
            section.add(
                .text(contestant.rawValue), .count(result.times.seconds.count),
                .number(result.times.shortest, Number.seconds), .number(result.times.median, Number.seconds),
                .number(result.times.shortest / limit.times.shortest, Number.ratio),
                .number(Percentile.of(result.latencies, 99), Number.milliseconds),
                .number(result.latencies.max() ?? .nan, Number.milliseconds),
                contestant == .limit ? .none : .bytes(result.size))
        }
        let toLimit = job.times.shortest / limit.times.shortest
        section.aim("time at most 1.4 × the limit", measured: Number.ratio(toLimit), isReached: toLimit <= 1.4)
        let toPipe = job.times.shortest / pipe.times.shortest
        section.aim(
            "time at most 1.1 × that of the pipe in a shell", measured: Number.ratio(toPipe), isReached: toPipe <= 1.1)
        let toPlain = job.times.shortest / plain.times.shortest
        section.aim("time under half of that of pg_dump -Fc", measured: Number.ratio(toPlain), isReached: toPlain < 0.5)
        let size = Double(job.size) / Double(plain.size)
        section.aim(
            "file smaller than that of pg_dump -Fc", measured: Number.ratio(size), isReached: job.size < plain.size)
        section.note("The job is a process of its own: dump, zstd, SHA-256, check of the archive, fsync, manifest, history.")
        if let remark = InsertClient.remark(idle: idle) { section.note(remark) }
        return section
    }
}
