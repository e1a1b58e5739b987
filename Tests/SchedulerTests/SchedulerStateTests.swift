import History
import Schedule
import Scheduler
import Testing

@Suite("The scheduler's decisions")
struct SchedulerStateTests {
    let start = Instant(secondsSinceEpoch: 1_767_225_600)  // 2026-01-01T00:00:00Z
    let key = JobKey(job: "backup", database: "main")

    func plan(
        _ job: String = "backup", database: String = "main", _ text: String = "0 * * * *", catchesUp: Bool = true,
        within: Duration? = nil, retries: Int = 2
    ) throws -> JobPlan {
        JobPlan(
            key: JobKey(job: job, database: database), schedule: ZonedSchedule(expression: try CronExpression(text), zone: .utc),
            catchesUp: catchesUp, catchUpWithin: within, retries: retries, retryDelay: .seconds(60))
    }

    func hours(_ count: Int, seconds: Int = 0) -> Instant { start + .seconds(count * 3600 + seconds) }

    func order(_ fire: Instant, _ trigger: Trigger = .schedule, attempt: Int = 1) -> RunOrder {
        RunOrder(key: key, fire: fire, trigger: trigger, attempt: attempt)
    }

    func memory(_ seen: Instant, last: Instant? = nil, interrupted: InterruptedRun? = nil) -> [JobKey: JobMemory] {
        [key: JobMemory(firstSeen: seen, lastFire: last, schedule: "", interrupted: interrupted)]
    }

    @Test("a job that was never seen before starts nothing and waits for its fire")
    func firstStart() throws {
        var state = SchedulerState(maxParallel: 2)
        #expect(state.handle(.planned([try plan()], memory: [:]), at: start) == [])
        #expect(state.nextWake == hours(1))
        #expect(state.handle(.tick, at: hours(1)) == [.start(order(hours(1)))])
        #expect(state.nextWake == hours(2))
    }

    @Test("of many missed fires the last runs once and the others share a record")
    func catchUp() throws {
        var state = SchedulerState(maxParallel: 2)
        let actions = state.handle(.planned([try plan()], memory: memory(start, last: start)), at: hours(5, seconds: 600))
        #expect(
            actions == [
                .record(SkippedFire(key: key, fire: hours(4), reason: .missed, passed: PassedFires(first: hours(1), count: 3))),
                .start(order(hours(5), .catchUp)),
            ])
    }

    @Test("a fire missed by too long is recorded, not run")
    func tooLate() throws {
        var state = SchedulerState(maxParallel: 2)
        let plan = try plan("backup", "0 0 * * *", within: .seconds(3600))
        let actions = state.handle(.planned([plan], memory: memory(start - .seconds(86400))), at: hours(2))
        #expect(actions == [.record(SkippedFire(key: key, fire: start, reason: .tooLate, passed: nil))])
    }

    @Test("without catch-up a missed fire is recorded, not run")
    func noCatchUp() throws {
        var state = SchedulerState(maxParallel: 2)
        let actions = state.handle(.planned([try plan(catchesUp: false)], memory: memory(start)), at: hours(1, seconds: 61))
        #expect(actions == [.record(SkippedFire(key: key, fire: hours(1), reason: .missed, passed: nil))])
    }

    @Test("a fire that comes while the previous run goes on is skipped as overlap")
    func overlap() throws {
        var state = SchedulerState(maxParallel: 2)
        _ = state.handle(.planned([try plan()], memory: [:]), at: start)
        _ = state.handle(.tick, at: hours(1))
        #expect(
            state.handle(.tick, at: hours(2)) == [.record(SkippedFire(key: key, fire: hours(2), reason: .overlap, passed: nil))])
        #expect(state.handle(.ended(order(hours(1)), .settled), at: hours(2, seconds: 5)) == [])
        #expect(state.handle(.tick, at: hours(3)) == [.start(order(hours(3)))])
    }

    @Test("no more than the limit run at once, and what waits starts in the order in which it was due")
    func parallel() throws {
        var state = SchedulerState(maxParallel: 1)
        _ = state.handle(.planned([try plan("b"), try plan("a")], memory: [:]), at: start)
        let first = state.handle(.tick, at: hours(1))
        #expect(first.count == 1)
        #expect(state.waitingCount == 1)
        guard case .start(let running) = first.first else { return }
        let second = state.handle(.ended(running, .settled), at: hours(1, seconds: 1))
        #expect(second.count == 1)
        #expect(state.running.count == 1)
    }

    @Test("one job on two databases runs one after the other")
    func siblings() throws {
        var state = SchedulerState(maxParallel: 4)
        _ = state.handle(.planned([try plan(database: "a"), try plan(database: "b")], memory: [:]), at: start)
        #expect(state.handle(.tick, at: hours(1)).count == 1)
        #expect(state.waitingCount == 1)
    }

    @Test("a passing failure is tried again, each time after twice as long, then given up")
    func retries() throws {
        var state = SchedulerState(maxParallel: 2)
        _ = state.handle(.planned([try plan()], memory: [:]), at: start)
        _ = state.handle(.tick, at: hours(1))
        let second = order(hours(1), .retry, attempt: 2)
        #expect(
            state.handle(.ended(order(hours(1)), .failedTransiently), at: hours(1, seconds: 10))
                == [.announceRetry(second, at: hours(1, seconds: 70))])
        #expect(state.handle(.tick, at: hours(1, seconds: 69)) == [])
        #expect(state.handle(.tick, at: hours(1, seconds: 70)) == [.start(second)])
        let third = order(hours(1), .retry, attempt: 3)
        #expect(
            state.handle(.ended(second, .failedTransiently), at: hours(1, seconds: 80))
                == [.announceRetry(third, at: hours(1, seconds: 200))])
        _ = state.handle(.tick, at: hours(1, seconds: 200))
        #expect(state.handle(.ended(third, .failedTransiently), at: hours(1, seconds: 210)) == [.announceGivenUp(third)])
    }

    @Test("a run that could not be recorded is tried again as the same attempt")
    func notBegun() throws {
        var state = SchedulerState(maxParallel: 2)
        _ = state.handle(.planned([try plan()], memory: [:]), at: start)
        _ = state.handle(.tick, at: hours(1))
        #expect(state.handle(.ended(order(hours(1)), .notBegun), at: hours(1)) == [])
        #expect(state.handle(.tick, at: hours(1, seconds: 60)) == [.start(order(hours(1)))])
    }

    @Test("a run that a crash cut off is tried again by its retries")
    func interrupted() throws {
        var state = SchedulerState(maxParallel: 2)
        let memory = memory(start, last: hours(1), interrupted: InterruptedRun(fire: hours(1), attempt: 1))
        #expect(state.handle(.planned([try plan()], memory: memory), at: hours(1, seconds: 30)) == [])
        #expect(state.handle(.tick, at: hours(1, seconds: 90)) == [.start(order(hours(1), .retry, attempt: 2))])
    }

    @Test("a clock that goes back is told, and fires that come again are ordered for the claim to refuse")
    func clockBack() throws {
        var state = SchedulerState(maxParallel: 2)
        _ = state.handle(.planned([try plan()], memory: [:]), at: start)
        _ = state.handle(.tick, at: hours(1))
        _ = state.handle(.ended(order(hours(1)), .settled), at: hours(1, seconds: 10))
        #expect(state.handle(.tick, at: hours(0, seconds: 1800)) == [.announceClockSetBack(by: .seconds(1810))])
        #expect(state.nextWake == hours(1))
    }

    @Test("after stop nothing starts any more")
    func stop() throws {
        var state = SchedulerState(maxParallel: 2)
        _ = state.handle(.planned([try plan()], memory: [:]), at: start)
        _ = state.handle(.stop, at: start)
        #expect(state.handle(.tick, at: hours(3)) == [])
        #expect(state.nextWake == nil)
    }

    @Test("a changed schedule has no past")
    func changedSchedule() throws {
        var state = SchedulerState(maxParallel: 2)
        _ = state.handle(.planned([try plan()], memory: [:]), at: start)
        #expect(state.handle(.planned([try plan("backup", "30 * * * *")], memory: [:]), at: hours(0, seconds: 3000)) == [])
        #expect(state.nextWake == hours(1, seconds: 1800))
    }
}
