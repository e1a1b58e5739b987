import History
import Schedule
import Testing

@testable import Scheduler

/// What two policies make of each other.
extension SchedulerPolicyTests {
    @Test("in a chain of jobs the failure of the first is told of all at once, whatever their names")
    func chain() throws {
        var state = SchedulerState(maxParallel: 4)
        let plans = [try plan("a", after: "b"), try plan("b", after: "c"), try plan("c", retries: 0)]
        _ = state.handle(.planned(plans, memory: [:]), at: start)
        let first = order("c", hours(1))
        #expect(state.handle(.tick, at: hours(1)) == [.start(first)])
        #expect(
            state.handle(.ended(first, .settled), at: hours(1, seconds: 5))
                == [skip("b", hours(1), .dependency), skip("a", hours(1), .dependency)])
        #expect(state.dependents.isEmpty)
    }

    @Test("what waits for a job whose turn came too late for its window is skipped in the same moment")
    func chainAndWindow() throws {
        var state = SchedulerState(maxParallel: 1)
        let plans = [try plan("a"), try plan("b", window: "01:00-01:30"), try plan("c", after: "b")]
        _ = state.handle(.planned(plans, memory: [:]), at: start)
        let first = order("a", hours(1))
        #expect(state.handle(.tick, at: hours(1)) == [.start(first)])
        #expect(
            state.handle(.ended(first, .succeeded), at: hours(1, seconds: 1800))
                == [skip("b", hours(1), .window), skip("c", hours(1), .dependency)])
    }

    @Test("a job waits for another one that a host took, for as long as that host is watched")
    func afterElsewhere() throws {
        var state = SchedulerState(maxParallel: 4)
        _ = state.handle(.planned([try plan("cleanup", after: "backup"), try plan("backup")], memory: [:]), at: start)
        let backup = order("backup", hours(1))
        #expect(state.handle(.tick, at: hours(1)) == [.start(backup)])
        #expect(state.handle(.ended(backup, .takenElsewhere), at: hours(1)) == [])
        // That host has died; the fire is ours now, and what comes after it, too.
        #expect(state.handle(.tick, at: hours(1, seconds: 15)) == [.start(backup)])
        #expect(state.handle(.ended(backup, .succeeded), at: hours(1, seconds: 60)) == [.start(order("cleanup", hours(1)))])
    }

    @Test("a job that waits for another one runs when a reload no longer asks for that")
    func afterRemoved() throws {
        var state = SchedulerState(maxParallel: 4)
        _ = state.handle(.planned([try plan("cleanup", after: "backup"), try plan("backup")], memory: [:]), at: start)
        #expect(state.handle(.tick, at: hours(1)) == [.start(order("backup", hours(1)))])
        let plans = [try plan("cleanup"), try plan("backup")]
        #expect(state.handle(.planned(plans, memory: [:]), at: hours(1, seconds: 5)) == [.start(order("cleanup", hours(1)))])
    }

    @Test("a clock that goes back does not put a retry off, however long ago the fire was")
    func retryAndClock() throws {
        var state = SchedulerState(maxParallel: 4)
        _ = state.handle(.planned([try plan("a", "0 2 * * *")], memory: [:]), at: start)
        let run = order("a", hours(2))
        #expect(state.handle(.tick, at: hours(2)) == [.start(run)])
        let retry = order("a", hours(2), .retry, attempt: 2)
        #expect(state.handle(.ended(run, .failedTransiently), at: hours(8)) == [.announceRetry(retry, at: hours(8, seconds: 60))])
        // Back by three hours: still within a minute, and not only in three hours.
        _ = state.handle(.tick, at: hours(5))
        #expect(state.nextWake == hours(5, seconds: 60))
        #expect(state.handle(.tick, at: hours(5, seconds: 60)) == [.start(retry)])
    }

    @Test("a fire that could not be recorded before the next one came is recorded then")
    func notBegun() throws {
        var state = SchedulerState(maxParallel: 4)
        _ = state.handle(.planned([try plan("a", "* * * * *")], memory: [:]), at: start)
        let first = order("a", start + .seconds(60))
        #expect(state.handle(.tick, at: start + .seconds(60)) == [.start(first)])
        #expect(state.handle(.ended(first, .notBegun), at: start + .seconds(90)) == [])
        #expect(
            state.handle(.tick, at: start + .seconds(120))
                == [skip("a", start + .seconds(60), .missed), .start(order("a", start + .seconds(120)))])
    }

    @Test("a simulated run that its window cuts off has not done its work for those that come after it")
    func simulatedWindow() throws {
        let plans = [try plan("cleanup", "0 1 * * *", after: "backup"), try plan("backup", "0 1 * * *", window: "01:00-01:30")]
        let simulation = Simulation(
            plans, durations: [key("backup"): .seconds(7200)], maxParallel: 4, from: start, through: hours(24))
        #expect(simulation.runs.map(\.key.job) == ["backup"])
        #expect(simulation.runs.map(\.isCutOff) == [true])
        #expect(simulation.skipped == [SkippedFire(key: key("cleanup"), fire: hours(1), reason: .dependency, passed: nil)])
    }
}
