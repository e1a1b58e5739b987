import History
import Schedule
import Synchronization
import Testing

@testable import Scheduler

/// A clock that a test sets.
private final class SetClock: WallClock {
    private let time: Mutex<Instant>
    init(_ start: Instant) { time = Mutex(start) }
    func now() -> Instant { time.withLock { $0 } }
    func set(_ instant: Instant) { time.withLock { $0 = instant } }
}

/// A timer that wakes when a test says so.
private final class HandTimer: WakeTimer {
    let wakes: AsyncStream<WakeReason>
    private let continuation: AsyncStream<WakeReason>.Continuation
    let armed = AsyncStream.makeStream(of: Instant?.self)

    init() { (wakes, continuation) = AsyncStream.makeStream() }

    func arm(at instant: Instant?) { armed.continuation.yield(instant) }
    func wake(_ reason: WakeReason) { continuation.yield(reason) }
}

/// Notes what it is told to do; a run lasts until the test ends it, or the scheduler cancels it.
private final class NotingCarrier: RunCarrier {
    enum Note: Hashable, Sendable {
        case began(RunOrder)
        case cancelled(RunOrder)
        case recorded(SkippedFire)
        case announced(SchedulerAction)
    }

    let notes = AsyncStream.makeStream(of: Note.self)
    private let gates = Mutex<[RunOrder: AsyncStream<RunVerdict>.Continuation]>([:])

    func carryOut(_ order: RunOrder) async -> RunVerdict {
        let (stream, continuation) = AsyncStream.makeStream(of: RunVerdict.self)
        gates.withLock { $0[order] = continuation }
        notes.continuation.yield(.began(order))
        for await verdict in stream { return verdict }
        notes.continuation.yield(.cancelled(order))
        return .settled
    }

    func end(_ order: RunOrder, _ verdict: RunVerdict) { _ = gates.withLock { $0[order] }?.yield(verdict) }
    func record(_ skipped: SkippedFire) async { notes.continuation.yield(.recorded(skipped)) }
    func announce(_ action: SchedulerAction) async { notes.continuation.yield(.announced(action)) }
    func schedulerChanged(_ overview: SchedulerOverview) async {}
}

@Suite("The dispatcher", .timeLimit(.minutes(1)))
struct DispatcherTests {
    let start = Instant(secondsSinceEpoch: 1_767_225_600)  // 2026-01-01T00:00:00Z
    let key = JobKey(job: "backup", database: "main")

    func plan(isDestructive: Bool = false) throws -> JobPlan {
        JobPlan(
            key: key, schedule: ZonedSchedule(expression: try CronExpression("0 * * * *"), zone: .utc), catchesUp: true,
            catchUpWithin: nil, retries: 0, retryDelay: .seconds(60), isDestructive: isDestructive)
    }

    func order(_ hours: Int, _ trigger: Trigger = .schedule) -> RunOrder {
        RunOrder(key: key, fire: start + .seconds(hours * 3600), trigger: trigger, attempt: 1)
    }

    private func with(
        _ body: (Dispatcher, SetClock, HandTimer, NotingCarrier, inout AsyncStream<NotingCarrier.Note>.Iterator) async throws ->
            Void
    ) async throws {
        let (clock, timer, carrier) = (SetClock(start), HandTimer(), NotingCarrier())
        let dispatcher = Dispatcher(maxParallel: 2, clock: clock, timer: timer, carrier: carrier)
        let loop = Task { await dispatcher.run() }
        dispatcher.plan([try plan()], memory: [:], maxParallel: 2)
        // Only what the plan was made at counts as its beginning.
        _ = await dispatcher.heartbeat()
        var notes = carrier.notes.stream.makeAsyncIterator()
        try await body(dispatcher, clock, timer, carrier, &notes)
        dispatcher.stop()
        await loop.value
    }

    @Test("arms the timer for the next fire, and begins the run when it wakes")
    func fire() async throws {
        try await with { dispatcher, clock, timer, carrier, notes in
            var armed = timer.armed.stream.makeAsyncIterator()
            #expect(await armed.next() == .some(start + .seconds(3600)))
            clock.set(start + .seconds(3600))
            timer.wake(.elapsed)
            #expect(await notes.next() == .began(order(1)))
            #expect(await dispatcher.nextFires()[key] == start + .seconds(7200))
            carrier.end(order(1), .succeeded)
            #expect(await dispatcher.heartbeat())
        }
    }

    @Test("a machine that slept through fires makes up for the last of them, once")
    func resume() async throws {
        try await with { _, clock, timer, carrier, notes in
            clock.set(start + .seconds(9 * 3600 + 1800))
            timer.wake(.clockSet)
            let missed = SkippedFire(
                key: key, fire: order(8).fire, reason: .missed, passed: PassedFires(first: order(1).fire, count: 7))
            #expect(await notes.next() == .recorded(missed))
            #expect(await notes.next() == .began(order(9, .catchUp)))
            carrier.end(order(9, .catchUp), .succeeded)
        }
    }

    @Test("a clock that is set back is told, and the timer is armed anew")
    func back() async throws {
        try await with { dispatcher, clock, timer, carrier, notes in
            clock.set(start + .seconds(3600))
            timer.wake(.elapsed)
            #expect(await notes.next() == .began(order(1)))
            carrier.end(order(1), .succeeded)
            clock.set(start + .seconds(1800))
            timer.wake(.clockSet)
            #expect(await notes.next() == .announced(.announceClockSetBack(by: .seconds(1800))))
            #expect(await dispatcher.nextFires()[key] == start + .seconds(3600))
        }
    }

    @Test("stop cancels what runs, waits for its end, and leaves nobody who asks without an answer")
    func stop() async throws {
        let (clock, timer, carrier) = (SetClock(start), HandTimer(), NotingCarrier())
        let dispatcher = Dispatcher(maxParallel: 2, clock: clock, timer: timer, carrier: carrier)
        let loop = Task { await dispatcher.run() }
        dispatcher.plan([try plan()], memory: [:], maxParallel: 2)
        _ = await dispatcher.heartbeat()
        clock.set(start + .seconds(3600))
        timer.wake(.elapsed)
        var notes = carrier.notes.stream.makeAsyncIterator()
        #expect(await notes.next() == .began(order(1)))
        dispatcher.stop()
        #expect(await notes.next() == .cancelled(order(1)))
        await loop.value
        #expect(await dispatcher.hasEnded)
        #expect(await dispatcher.heartbeat() == false)
        #expect(await dispatcher.nextFires() == [:])
    }

    @Test("a timer that is overdue is no sign of life")
    func overdue() async throws {
        try await with { dispatcher, clock, _, _, _ in
            #expect(await dispatcher.heartbeat())
            clock.set(start + .seconds(3600 + 31))
            #expect(await dispatcher.heartbeat() == false)
        }
    }
}
