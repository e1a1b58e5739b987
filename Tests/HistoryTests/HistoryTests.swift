import Foundation
import History
import Schedule
import TestSupport
import Testing

@Suite("The history")
struct HistoryTests {
    let now = Instant(secondsSinceEpoch: 1_767_225_600)
    let key = JobKey(job: "nightly-backup", database: "main")

    func record(_ id: String, fire: Instant?, attempt: Int = 1) -> RunRecord {
        RunRecord(id: id, key: key, kind: "backup", trigger: .schedule, attempt: attempt, scheduledAt: fire, startedAt: now)
    }

    @Test("a fire is taken once, whoever asks")
    func claim() async throws {
        let folder = try TemporaryFolder("history")
        let first = try History(path: folder.path("h.db"))
        let second = try History(path: folder.path("h.db"))
        #expect(try await first.begin(record("1", fire: now)) == .taken)
        #expect(try await second.begin(record("2", fire: now)) == .alreadyTaken)
        #expect(try await second.begin(record("3", fire: now, attempt: 2)) == .taken)
        #expect(try await second.begin(record("4", fire: nil)) == .taken)
        #expect(try await second.begin(record("5", fire: nil)) == .taken)
    }

    @Test("what a run said is read back")
    func roundTrip() async throws {
        let folder = try TemporaryFolder("history")
        let history = try History(path: folder.path("h.db"))
        var run = record("1", fire: now)
        _ = try await history.begin(run)
        #expect(try await history.unfinishedRuns() == [run])
        run.endedAt = now + .seconds(3)
        run.outcome = .failed
        run.errorCode = "disk-full"
        run.message = "no room"
        run.hint = "Make room."
        run.measures = [RunMeasure(name: "b", value: 2), RunMeasure(name: "a", value: 1)]
        run.warnings = ["odd"]
        try await history.end(run)
        #expect(try await history.runs(limit: 10) == [run])
        #expect(try await history.latestRuns()[key] == run)
        #expect(try await history.unfinishedRuns() == [])
    }

    @Test("who only looks brings a schema forward that is behind, be the file empty or old")
    func behind() async throws {
        let folder = try TemporaryFolder("history")
        let path = folder.path("h.db")
        try Data().write(to: URL(fileURLWithPath: path))
        let looking = try History(path: path, readOnly: true)
        #expect(try await looking.runs(limit: 1) == [])
        #expect(try await looking.pauses(at: now) == [:])
    }

    @Test("many who open a history that is not there yet make one together")
    func together() async throws {
        let folder = try TemporaryFolder("history")
        for number in 0..<10 {
            let path = folder.path("h\(number).db")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 { group.addTask { _ = try await History(path: path).runs(limit: 1) } }
                try await group.waitForAll()
            }
        }
    }

    @Test("a job that was not configured meanwhile has missed nothing")
    func forgotten() async throws {
        let folder = try TemporaryFolder("history")
        let history = try History(path: folder.path("h.db"))
        let other = JobKey(job: "other", database: "main")
        _ = try await history.remember([key: "0 2 * * *", other: "0 3 * * *"], at: now)
        _ = try await history.remember([other: "0 3 * * *"], at: now + .seconds(60))
        let later = try await history.remember([key: "0 2 * * *", other: "0 3 * * *"], at: now + .seconds(120))
        #expect(later[key]?.firstSeen == now + .seconds(120))
        #expect(later[other]?.firstSeen == now)
    }

    @Test("what is remembered of a job is its last fire, its last success, and whether a stop cut it off")
    func lastFires() async throws {
        let folder = try TemporaryFolder("history")
        let history = try History(path: folder.path("h.db"))
        for (hour, outcome) in [(0, Outcome.succeeded), (1, .succeeded), (2, .failed), (3, .cancelled)] {
            var run = record("\(hour)", fire: now + .seconds(hour * 3600))
            _ = try await history.begin(run)
            run.endedAt = now
            run.outcome = outcome
            run.errorCode = outcome == .cancelled ? "cancelled" : nil
            try await history.end(run)
        }
        let memory = try await history.remember([key: "0 * * * *"], at: now)[key]
        #expect(memory?.lastFire == now + .seconds(3 * 3600))
        #expect(memory?.lastSuccess == now + .seconds(3600))
        #expect(memory?.interrupted == InterruptedRun(fire: now + .seconds(3 * 3600), attempt: 1, wasStopped: true))
        // A clock that was three hours ahead is told to have been wrong.
        #expect(try await history.hasTrustedFire(after: now))
        #expect(try await history.distrustFires(after: now) == 3)
        #expect(try await history.hasTrustedFire(after: now) == false)
        #expect(try await history.remember([key: "0 * * * *"], at: now)[key]?.lastFire == now)
    }

    @Test("a fire that a clock recorded too early is taken again once that clock is told to have been wrong")
    func distrusted() async throws {
        let folder = try TemporaryFolder("history")
        let history = try History(path: folder.path("h.db"))
        let fire = now + .seconds(86400)
        var early = record("1", fire: fire)
        _ = try await history.begin(early)
        early.endedAt = now
        early.outcome = .failed
        try await history.end(early)
        #expect(try await history.begin(record("2", fire: fire)) == .alreadyTaken)
        #expect(try await history.distrustFires(after: now) == 1)
        #expect(try await history.begin(record("3", fire: fire)) == .taken)
        #expect(try await history.begin(record("4", fire: fire)) == .alreadyTaken)
        #expect(try await history.records(of: key, at: fire).map(\.id) == ["3"])
    }

    @Test("a run that is going is remembered as its job's last fire, and as neither cut off nor done")
    func going() async throws {
        let folder = try TemporaryFolder("history")
        let history = try History(path: folder.path("h.db"))
        _ = try await history.begin(record("1", fire: now))
        let memory = try await history.remember([key: "0 * * * *"], at: now)[key]
        #expect(memory?.lastFire == now)
        #expect(memory?.interrupted == nil && memory?.lastSuccess == nil)
    }

    @Test("a run that a crash cut off is remembered also if the next process ends before it is tried again")
    func interruptedTwice() async throws {
        let folder = try TemporaryFolder("history")
        let history = try History(path: folder.path("h.db"))
        _ = try await history.remember([key: "0 * * * *"], at: now)
        var run = record("1", fire: now + .seconds(60), attempt: 2)
        _ = try await history.begin(run)
        run.endedAt = now + .seconds(90)
        run.outcome = .failed
        run.errorCode = "interrupted"
        try await history.end(run)
        for _ in 0..<2 {
            let memory = try await history.remember([key: "0 * * * *"], at: now + .seconds(100))[key]
            #expect(memory?.interrupted == InterruptedRun(fire: now + .seconds(60), attempt: 2))
        }
        // A schedule that changed since, or a job that was away, begins anew.
        let anew = try await history.remember([key: "5 * * * *"], at: now + .seconds(200))[key]
        #expect(anew?.interrupted == nil)
    }

    @Test("a retry that was to come is remembered by the next process, until it has been made")
    func pendingRetry() async throws {
        let folder = try TemporaryFolder("history")
        let history = try History(path: folder.path("h.db"))
        _ = try await history.remember([key: "0 * * * *"], at: now - .seconds(60))
        var run = record("1", fire: now)
        _ = try await history.begin(run)
        run.endedAt = now
        run.outcome = .failed
        run.errorCode = "database-unreachable"
        try await history.end(run)
        #expect(try await history.remember([key: "0 * * * *"], at: now)[key]?.interrupted == nil)
        try await history.noteRetry(of: key, fire: now, afterAttempt: 1, at: now + .seconds(60))
        #expect(try await history.remember([key: "0 * * * *"], at: now)[key]?.interrupted == InterruptedRun(fire: now, attempt: 1))
        var second = record("2", fire: now, attempt: 2)
        _ = try await history.begin(second)
        second.endedAt = now
        second.outcome = .succeeded
        try await history.end(second)
        #expect(try await history.remember([key: "0 * * * *"], at: now)[key]?.interrupted == nil)
    }

    @Test("a pause holds until its end or until it is lifted")
    func pauses() async throws {
        let folder = try TemporaryFolder("history")
        let history = try History(path: folder.path("h.db"))
        let short = Pause(job: "a", since: now, until: now + .seconds(60), reason: "exams")
        let long = Pause(job: "b", since: now, until: nil, reason: nil)
        try await history.pause(short)
        try await history.pause(long)
        #expect(try await history.pauses(at: now + .seconds(59)) == ["a": short, "b": long])
        #expect(try await history.pauses(at: now + .seconds(60)) == ["b": long])
        #expect(try await history.resume("a", at: now + .seconds(60)) == false)
        #expect(try await history.resume("b", at: now + .seconds(60)))
        #expect(try await history.pauses(at: now) == [:])
    }

    @Test("a fire is found by its own record, or by the one that stands for it")
    func stories() async throws {
        let folder = try TemporaryFolder("history")
        let history = try History(path: folder.path("h.db"))
        var skipped = record("1", fire: now + .seconds(7200))
        skipped.endedAt = now
        skipped.outcome = .skipped
        skipped.skipReason = .missed
        skipped.passed = PassedFires(first: now, count: 2)
        try await history.record(skipped: skipped)
        #expect(try await history.records(of: key, at: now + .seconds(3600)) == [skipped])
        #expect(try await history.records(of: key, at: now + .seconds(7200)) == [skipped])
        #expect(try await history.records(of: key, at: now - .seconds(1)) == [])
        #expect(try await history.records(of: key, at: now + .seconds(10_800)) == [])
    }

    @Test("the end of a run is written also by a task that has been cancelled")
    func cancelled() async throws {
        let folder = try TemporaryFolder("history")
        let history = try History(path: folder.path("h.db"))
        var run = record("1", fire: now)
        _ = try await history.begin(run)
        run.endedAt = now
        run.outcome = .cancelled
        let ended = run
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            try await history.end(ended)
        }
        task.cancel()
        try await task.value
        #expect(try await history.latestRuns()[key]?.outcome == .cancelled)
    }

    @Test("a job is first seen once, and anew when its schedule changes")
    func memory() async throws {
        let folder = try TemporaryFolder("history")
        let history = try History(path: folder.path("h.db"))
        _ = try await history.remember([key: "0 2 * * *"], at: now)
        #expect(try await history.remember([key: "0 2 * * *"], at: now + .seconds(60))[key]?.firstSeen == now)
        #expect(try await history.remember([key: "0 3 * * *"], at: now + .seconds(60))[key]?.firstSeen == now + .seconds(60))
    }

    @Test("a file that is no database is told as damaged and can be put aside")
    func damaged() async throws {
        let folder = try TemporaryFolder("history")
        let path = folder.path("h.db")
        try Data(String(repeating: "no database ", count: 1000).utf8).write(to: URL(fileURLWithPath: path))
        let failure = #expect(throws: History.Failure.self) { try History(path: path) }
        guard case .damaged = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(failure.map { "\($0)" } == "the history \(path) is damaged: file is not a database")
        let aside = try History.setAside(path: path, at: now)
        #expect(FileManager.default.fileExists(atPath: aside))
        _ = try History(path: path)
    }

    @Test("old samples are thinned to one a day, then forgotten")
    func thinning() async throws {
        let folder = try TemporaryFolder("history")
        let history = try History(path: folder.path("h.db"))
        let size = RelationSize(schema: "public", name: "a", heap: 1, indexes: 2, toast: 3, liveRows: 4, deadRows: 5)
        for hour in 0..<96 {
            try await history.record(
                SizeSample(database: "main", takenAt: now + .seconds(hour * 3600), databaseBytes: 9, relations: [size]))
        }
        try await history.thinSamples(of: "main", hourlyFrom: now + .seconds(48 * 3600), dailyFrom: now + .seconds(24 * 3600))
        let oldest = try await history.sample(of: "main", notAfter: now + .seconds(47 * 3600))
        #expect(oldest?.takenAt == now + .seconds(24 * 3600))
        #expect(oldest?.relations == [size])
        #expect(try await history.sample(of: "main", notAfter: now + .seconds(20 * 3600)) == nil)
    }
}
