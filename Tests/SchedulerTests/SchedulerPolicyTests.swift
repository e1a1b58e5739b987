import Foundation
import HeapModule
import History
import Schedule
import Testing

@testable import Scheduler

@Suite("The scheduler's policies")
struct SchedulerPolicyTests {
    let start = Instant(secondsSinceEpoch: 1_767_225_600)  // 2026-01-01T00:00:00Z

    func plan(
        _ job: String, _ text: String = "0 * * * *", database: String = "main", catchesUp: Bool = true, retries: Int = 2,
        splay: Duration = .zero, window: String? = nil, group: String? = nil, after: String? = nil, isDestructive: Bool = false
    ) throws -> JobPlan {
        JobPlan(
            key: key(job, database), schedule: ZonedSchedule(expression: try CronExpression(text), zone: .utc),
            catchesUp: catchesUp, catchUpWithin: nil, retries: retries, retryDelay: .seconds(60), splay: splay,
            window: window.flatMap { DailyWindow($0) }, group: group, after: after.map { key($0, database) },
            isDestructive: isDestructive)
    }

    func key(_ job: String, _ database: String = "main") -> JobKey { JobKey(job: job, database: database) }

    func hours(_ count: Int, seconds: Int = 0) -> Instant { start + .seconds(count * 3600 + seconds) }

    func order(_ job: String, _ fire: Instant, _ trigger: Trigger = .schedule, attempt: Int = 1, until: Instant? = nil) -> RunOrder
    {
        RunOrder(key: key(job), fire: fire, trigger: trigger, attempt: attempt, until: until)
    }

    func skip(_ job: String, _ fire: Instant, _ reason: SkipReason, passed: PassedFires? = nil, attempt: Int = 1) -> SchedulerAction
    {
        .record(SkippedFire(key: key(job), fire: fire, reason: reason, passed: passed, attempt: attempt))
    }

    // MARK: - Reload

    @Test("what a reload takes out before its turn has come is recorded, whatever it waits for")
    func removedWhileWaiting() throws {
        var state = SchedulerState(maxParallel: 1)
        let jobs = [try plan("a"), try plan("b"), try plan("c", after: "a"), try plan("d", "30 0 * * *")]
        _ = state.handle(.planned(jobs, memory: [:]), at: start)
        _ = state.handle(.tick, at: hours(0, seconds: 1800))
        _ = state.handle(.ended(order("d", hours(0, seconds: 1800)), .failedTransiently), at: hours(0, seconds: 1801))
        // The retry of d is due later than what this looks at.
        #expect(state.handle(.tick, at: hours(0, seconds: 1802)) == [])
        let removed = state.handle(.planned([jobs[0], jobs[1], jobs[2]], memory: [:]), at: hours(0, seconds: 1803))
        #expect(removed == [skip("d", hours(0, seconds: 1800), .removed, attempt: 2)])
        // a runs, b waits for the slot, c waits for a.
        #expect(state.handle(.tick, at: hours(1)) == [.start(order("a", hours(1)))])
        #expect(
            state.handle(.planned([], memory: [:]), at: hours(1, seconds: 5)) == [
                skip("b", hours(1), .removed), skip("c", hours(1), .removed),
            ])
        #expect(state.handle(.ended(order("a", hours(1)), .succeeded), at: hours(1, seconds: 9)) == [])
        #expect(state.nextWake == nil)
    }

    @Test("a job that waits for another one runs once a reload has taken that order away")
    func orderTakenAway() throws {
        var state = SchedulerState(maxParallel: 2)
        _ = state.handle(.planned([try plan("a"), try plan("b", after: "a")], memory: [:]), at: start)
        #expect(state.handle(.tick, at: hours(1)) == [.start(order("a", hours(1)))])
        let actions = state.handle(.planned([try plan("a"), try plan("b")], memory: [:]), at: hours(1, seconds: 5))
        #expect(actions == [.start(order("b", hours(1)))])
    }

    // MARK: - Splay

    @Test("a splay puts a fire off; its name stays")
    func splay() throws {
        var state = SchedulerState(maxParallel: 2)
        _ = state.handle(.planned([try plan("a", splay: .seconds(300))], memory: [:]), at: start)
        #expect(state.nextWake == hours(1, seconds: 300))
        #expect(state.handle(.tick, at: hours(1)) == [])
        #expect(state.handle(.tick, at: hours(1, seconds: 300)) == [.start(order("a", hours(1)))])
        #expect(state.nextWake == hours(2, seconds: 300))
    }

    @Test("a splay crosses neither the next fire nor the end of the window")
    func splayBounds() throws {
        #expect(try plan("a", splay: .seconds(7200)).delay(of: hours(1)) == .seconds(3599))
        #expect(try plan("a", "0 2 * * *", splay: .seconds(7200), window: "01:00-02:30").delay(of: hours(2)) == .seconds(1799))
        #expect(try plan("a", "0 2 * * *", splay: .seconds(7200)).delay(of: hours(2)) == .seconds(7200))
    }

    @Test("after a pause, a fire that its splay still puts off waits, and the one before it is made up for")
    func splayCatchUp() throws {
        var state = SchedulerState(maxParallel: 2)
        let memory = [key("a"): JobMemory(firstSeen: start, lastFire: start, schedule: "")]
        let actions = state.handle(.planned([try plan("a", splay: .seconds(300))], memory: memory), at: hours(3, seconds: 100))
        #expect(actions == [skip("a", hours(1), .missed), .start(order("a", hours(2), .catchUp))])
        #expect(state.nextWake == hours(3, seconds: 300))
    }

    // MARK: - Window

    @Test("a run is told when its window ends, and a fire outside of it is skipped")
    func window() throws {
        var state = SchedulerState(maxParallel: 2)
        _ = state.handle(.planned([try plan("a", window: "01:00-02:00")], memory: [:]), at: start)
        let run = order("a", hours(1), until: hours(2))
        #expect(state.handle(.tick, at: hours(1)) == [.start(run)])
        #expect(state.handle(.ended(run, .settled), at: hours(1, seconds: 9)) == [])
        #expect(state.handle(.tick, at: hours(2)) == [skip("a", hours(2), .window)])
    }

    @Test("a run whose turn comes after its window has closed is skipped")
    func windowWhileWaiting() throws {
        var state = SchedulerState(maxParallel: 1)
        _ = state.handle(.planned([try plan("a"), try plan("b", window: "01:00-01:30")], memory: [:]), at: start)
        let first = order("a", hours(1))
        #expect(state.handle(.tick, at: hours(1)) == [.start(first)])
        #expect(state.handle(.ended(first, .succeeded), at: hours(1, seconds: 1800)) == [skip("b", hours(1), .window)])
        #expect(state.waitingCount == 0)
    }

    @Test("a retry that would come after the window is given up")
    func windowRetry() throws {
        var state = SchedulerState(maxParallel: 1)
        _ = state.handle(.planned([try plan("a", window: "01:00-01:30")], memory: [:]), at: start)
        let run = order("a", hours(1), until: hours(1, seconds: 1800))
        _ = state.handle(.tick, at: hours(1))
        #expect(state.handle(.ended(run, .failedTransiently), at: hours(1, seconds: 1750)) == [.announceGivenUp(run)])
    }

    // MARK: - Groups and order

    @Test("of a group only one runs at a time, whatever room there is")
    func group() throws {
        var state = SchedulerState(maxParallel: 4)
        let plans = [try plan("a", group: "heavy"), try plan("b", group: "heavy"), try plan("c")]
        _ = state.handle(.planned(plans, memory: [:]), at: start)
        #expect(state.handle(.tick, at: hours(1)) == [.start(order("a", hours(1))), .start(order("c", hours(1)))])
        #expect(state.waitingCount == 1)
        #expect(state.handle(.ended(order("a", hours(1)), .succeeded), at: hours(1, seconds: 5)) == [.start(order("b", hours(1)))])
        #expect(state.waitingCount == 0)
    }

    @Test("what is made up for goes by how overdue it is")
    func mostOverdueFirst() throws {
        var state = SchedulerState(maxParallel: 1)
        let plans = [try plan("a", "0 3 * * *"), try plan("b", "0 1 * * *"), try plan("c", "0 2 * * *")]
        let memory = Dictionary(uniqueKeysWithValues: plans.map { ($0.key, JobMemory(firstSeen: start, schedule: "")) })
        var begun: [String] = []
        var actions = state.handle(.planned(plans, memory: memory), at: hours(5))
        while case .start(let order)? = actions.first {
            begun.append(order.key.job)
            actions = state.handle(.ended(order, .succeeded), at: hours(5, seconds: begun.count))
        }
        #expect(begun == ["b", "c", "a"])
    }

    // MARK: - After

    @Test("a job that runs after another one waits for its end, and runs once that succeeded")
    func after() throws {
        var state = SchedulerState(maxParallel: 4)
        _ = state.handle(.planned([try plan("cleanup", after: "zbackup"), try plan("zbackup")], memory: [:]), at: start)
        let backup = order("zbackup", hours(1))
        #expect(state.handle(.tick, at: hours(1)) == [.start(backup)])
        #expect(state.handle(.ended(backup, .succeeded), at: hours(1, seconds: 60)) == [.start(order("cleanup", hours(1)))])
    }

    @Test("a job that runs after another one is skipped when that has failed for good, and waits while it is tried again")
    func afterFailure() throws {
        var state = SchedulerState(maxParallel: 4)
        _ = state.handle(.planned([try plan("cleanup", after: "backup"), try plan("backup", retries: 1)], memory: [:]), at: start)
        let first = order("backup", hours(1))
        let second = order("backup", hours(1), .retry, attempt: 2)
        #expect(state.handle(.tick, at: hours(1)) == [.start(first)])
        #expect(
            state.handle(.ended(first, .failedTransiently), at: hours(1)) == [.announceRetry(second, at: hours(1, seconds: 60))])
        #expect(state.handle(.tick, at: hours(1, seconds: 60)) == [.start(second)])
        #expect(
            state.handle(.ended(second, .failedTransiently), at: hours(1, seconds: 70))
                == [.announceGivenUp(second), skip("cleanup", hours(1), .dependency)])
    }

    @Test("a success that the history remembers counts, one of another night does not")
    func afterRemembered() throws {
        for (age, expected) in [
            (hours(2), SchedulerAction.start(order("cleanup", hours(25)))), (hours(1), skip("cleanup", hours(25), .dependency)),
        ] {
            var state = SchedulerState(maxParallel: 4)
            let memory = [
                key("backup"): JobMemory(firstSeen: start, lastFire: hours(2), schedule: "", lastSuccess: age),
                key("cleanup"): JobMemory(firstSeen: start, lastFire: hours(24), schedule: ""),
            ]
            let plans = [try plan("backup", "0 2 1 * *"), try plan("cleanup", "0 * * * *", after: "backup")]
            #expect(state.handle(.planned(plans, memory: memory), at: hours(25)) == [expected])
        }
        var state = SchedulerState(maxParallel: 4)
        let plans = [try plan("backup", "0 2 1 * *"), try plan("cleanup", "0 * * * *", after: "backup")]
        _ = state.handle(
            .planned(
                plans, memory: [key("backup"): JobMemory(firstSeen: start, lastFire: hours(2), schedule: "", lastSuccess: hours(2))]
            ), at: hours(25, seconds: 1))
        #expect(state.handle(.tick, at: hours(26)) == [skip("cleanup", hours(26), .dependency)])
    }

    // MARK: - Clock

    @Test("a clock far behind the last recorded fire holds jobs that delete, until it has passed")
    func held() throws {
        var state = SchedulerState(maxParallel: 4)
        let plans = [try plan("purge", isDestructive: true), try plan("backup")]
        let memory = [key("backup"): JobMemory(firstSeen: start, lastFire: hours(5), schedule: "")]
        #expect(state.handle(.planned(plans, memory: memory), at: start) == [.announceClockBehind(until: hours(5))])
        let first = state.handle(.tick, at: hours(1))
        #expect(Set(first) == [skip("purge", hours(1), .clockBehind), .start(order("backup", hours(1)))])
        #expect(state.heldUntil == hours(5))
        let actions = state.handle(.tick, at: hours(5))
        #expect(actions.contains(.announceClockCaughtUp))
        #expect(state.heldUntil == nil)
    }

    @Test("less than an hour back, or a person who says that the clock is right, holds nothing")
    func trusted() throws {
        var state = SchedulerState(maxParallel: 4)
        let plans = [try plan("purge", isDestructive: true)]
        let memory = [key("purge"): JobMemory(firstSeen: start, lastFire: hours(5), schedule: "")]
        #expect(state.handle(.planned(plans, memory: memory), at: hours(4, seconds: 1)) == [])
        #expect(state.handle(.tick, at: hours(2)).contains(.announceClockBehind(until: hours(5))))
        #expect(state.handle(.clockTrusted, at: hours(2)) == [.announceClockCaughtUp])
        #expect(state.handle(.tick, at: hours(3)) == [.start(order("purge", hours(3)))])
    }

    @Test("a clock that goes forward fires what was passed once")
    func forward() throws {
        var state = SchedulerState(maxParallel: 4)
        _ = state.handle(.planned([try plan("a")], memory: [:]), at: start)
        let actions = state.handle(.tick, at: hours(50, seconds: 600))
        #expect(
            actions == [
                skip("a", hours(49), .missed, passed: PassedFires(first: hours(1), count: 48)),
                .start(order("a", hours(50), .catchUp)),
            ])
    }

    @Test("a day that the zone left out is recorded, beside the fire at its end")
    func nonexistentDay() throws {
        let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: "/usr/share/zoneinfo/Pacific/Apia")))
        let apia = try ZoneRules(identifier: "Pacific/Apia", tzif: bytes)
        let schedule = ZonedSchedule(expression: try CronExpression("0 0 * * *"), zone: apia)
        let plan = JobPlan(
            key: key("a"), schedule: schedule, catchesUp: true, catchUpWithin: nil, retries: 0, retryDelay: .seconds(60))
        var state = SchedulerState(maxParallel: 1)
        let before = try #require(Instant(rfc3339: "2011-12-29T12:00:00Z"))
        let end = try #require(Instant(rfc3339: "2011-12-30T10:00:00Z"))
        _ = state.handle(.planned([plan], memory: [:]), at: before)
        #expect(state.nextWake == end)
        let missing = SkippedFire(
            key: key("a"), fire: end, reason: .nonexistentDate, passed: nil, attempt: 0,
            detail: "2011-12-30 00:00:00 did not exist in Pacific/Apia")
        #expect(state.handle(.tick, at: end) == [.record(missing), .start(order("a", end))])
    }

    // MARK: - Other hosts and stops

    @Test("a fire that another host took is looked at again, in case that host dies")
    func elsewhere() throws {
        var state = SchedulerState(maxParallel: 4)
        _ = state.handle(.planned([try plan("a")], memory: [:]), at: start)
        _ = state.handle(.tick, at: hours(1))
        #expect(state.handle(.ended(order("a", hours(1)), .takenElsewhere), at: hours(1)) == [])
        #expect(state.nextWake == hours(1, seconds: 15))
        #expect(state.handle(.tick, at: hours(1, seconds: 15)) == [.start(order("a", hours(1)))])
    }

    @Test("a run that a stop cut off is made up for at once, without counting as a failure")
    func stopped() throws {
        var state = SchedulerState(maxParallel: 4)
        let cut = InterruptedRun(fire: hours(1), attempt: 3, wasStopped: true)
        let memory = [key("a"): JobMemory(firstSeen: start, lastFire: hours(1), schedule: "", interrupted: cut)]
        #expect(
            state.handle(.planned([try plan("a", retries: 0)], memory: memory), at: hours(1, seconds: 30))
                == [.start(order("a", hours(1), .retry, attempt: 4))])
        var other = SchedulerState(maxParallel: 4)
        #expect(other.handle(.planned([try plan("a", catchesUp: false)], memory: memory), at: hours(1, seconds: 30)) == [])
    }

    // MARK: - Scale

    @Test("the work of a fire does not grow with the number of jobs")
    func scale() throws {
        let plans = try (0..<10_000).map { try plan("j\($0)", "\($0 % 60) \($0 / 60 % 24) * * *") }
        var state = SchedulerState(maxParallel: 64)
        _ = state.handle(.planned(plans, memory: [:]), at: start)
        var fires = 0
        var now = start
        let clock = ContinuousClock()
        let took = clock.measure {
            while let wake = state.nextWake, wake < hours(24) {
                now = max(now, wake)
                for action in state.handle(.tick, at: now) {
                    guard case .start(let order) = action else { continue }
                    fires += 1
                    _ = state.handle(.ended(order, .succeeded), at: now)
                }
            }
        }
        #expect(fires >= 9900)
        // A day of ten thousand fires; work that grew with the number of jobs would take minutes.
        #expect(took < .seconds(20), "\(took)")
        #expect(state.wakes.count < 30_000 && state.dues.count < 30_000)
    }
}

@Suite("A daily window")
struct DailyWindowTests {
    @Test(
        "is read, or refused",
        arguments: ["1:00-05:00", "01:00", "01:00-01:00", "25:00-05:00", "01:60-05:00", "01:00-05:00-06:00", "", "24:00-05:00"])
    func refused(text: String) {
        #expect(DailyWindow(text) == nil)
    }

    @Test("contains its beginning and not its end, also over midnight")
    func edges() throws {
        func at(_ text: String) throws -> Instant { try #require(Instant(rfc3339: text)) }
        let night = try #require(DailyWindow("22:00-04:00"))
        for (text, end) in [
            ("2026-01-01T21:59:59Z", nil), ("2026-01-01T22:00:00Z", "2026-01-02T04:00:00Z"),
            ("2026-01-02T03:59:59Z", "2026-01-02T04:00:00Z"), ("2026-01-02T04:00:00Z", nil),
        ] { #expect(night.end(at: try at(text), in: .utc)?.rfc3339 == end, "\(text)") }
        let whole = try #require(DailyWindow("00:00-24:00"))
        #expect(whole.contains(try at("2026-01-01T23:59:59Z"), in: .utc))
    }
}
