import History
import Schedule

/// Carries out what the scheduler decides.
package protocol RunCarrier: Sendable {
    /// Takes a fire, runs its job to the end, and records both.
    func carryOut(_ order: RunOrder) async -> RunVerdict

    /// Records fires that do not become runs.
    func record(_ skipped: SkippedFire) async

    /// Tells a person what the scheduler noticed or will do.
    func announce(_ action: SchedulerAction) async

    /// Something changed that a status line shows.
    func schedulerChanged(_ overview: SchedulerOverview) async
}

/// What the scheduler is doing, for status lines.
package struct SchedulerOverview: Hashable, Sendable {
    /// The runs that are going.
    package let running: [RunOrder]
    /// How many are due and wait for their turn.
    package let waitingCount: Int
    /// The job that is due next.
    package let nextKey: JobKey?
    /// When it is due.
    package let nextFire: Instant?
    /// Until when jobs that delete are held, because the clock is behind what has been recorded.
    package let heldUntil: Instant?
}

/// The loop around ``SchedulerState``: one mailbox of events, one timer, one task for each run.
package actor Dispatcher {
    private enum Message: Sendable {
        case event(SchedulerEvent)
        case parallel(Int)
        case heartbeat(CheckedContinuation<Bool, Never>)
        case nextFires(CheckedContinuation<[JobKey: Instant], Never>)
        case cancelRuns
    }

    /// How long the timer may be overdue before the scheduler counts as stalled.
    private static let longestOverdue = Duration.seconds(30)

    private var state: SchedulerState
    private let clock: any WallClock
    private let timer: any WakeTimer
    private let carrier: any RunCarrier
    private let mailbox: AsyncStream<Message>
    private let post: AsyncStream<Message>.Continuation
    private var isStopping = false
    /// Whether ``run()`` has come to its end.
    package private(set) var hasEnded = false
    private var knownKeys: Set<JobKey> = []

    /// A scheduler that waits for its jobs.
    package init(maxParallel: Int, clock: any WallClock, timer: any WakeTimer, carrier: any RunCarrier) {
        state = SchedulerState(maxParallel: maxParallel)
        self.clock = clock
        self.timer = timer
        self.carrier = carrier
        (mailbox, post) = AsyncStream.makeStream()
    }

    /// Sets the jobs that there are from now on.
    package nonisolated func plan(_ plans: [JobPlan], memory: [JobKey: JobMemory], maxParallel: Int) {
        post.yield(.parallel(maxParallel))
        post.yield(.event(.planned(plans, memory: memory)))
    }

    /// Takes the clock for right, so that nothing is held any longer because it is behind.
    package nonisolated func trustClock() {
        post.yield(.event(.clockTrusted))
    }

    /// Starts no run any more, cancels those that are going, and lets ``run()`` return when they have ended.
    package nonisolated func stop() {
        post.yield(.event(.stop))
        post.yield(.cancelRuns)
    }

    /// Whether the scheduler still does its work: its mailbox is read, and its timer is not overdue.
    ///
    /// Answers only when the loop comes to it; a scheduler that hangs does not answer.
    package nonisolated func heartbeat() async -> Bool {
        await withCheckedContinuation { continuation in
            if case .terminated = post.yield(.heartbeat(continuation)) { continuation.resume(returning: false) }
        }
    }

    /// When each job is due next.
    package nonisolated func nextFires() async -> [JobKey: Instant] {
        await withCheckedContinuation { continuation in
            if case .terminated = post.yield(.nextFires(continuation)) { continuation.resume(returning: [:]) }
        }
    }

    /// Schedules until ``stop()``, and returns when the last run has ended.
    package func run() async {
        await withTaskGroup(of: Void.self) { ticks in
            ticks.addTask { [timer, post] in
                for await _ in timer.wakes { post.yield(.event(.tick)) }
            }
            await withDiscardingTaskGroup { runs in
                for await message in mailbox {
                    await handle(message, runs: &runs)
                    if isStopping, state.running.isEmpty { break }
                }
            }
            hasEnded = true
            post.finish()
            // What is still in the mailbox must be answered, or its sender would wait for ever.
            for await message in mailbox { answer(message) }
            ticks.cancelAll()
        }
    }

    private func handle(_ message: Message, runs: inout DiscardingTaskGroup) async {
        #if DEBUG
            await DebugFaults.stallSchedulerIfAsked()
        #endif
        switch message {
        case .parallel(let count): state.maxParallel = count
        case .cancelRuns:
            isStopping = true
            runs.cancelAll()
        case .heartbeat, .nextFires: answer(message)
        case .event(let event):
            if case .planned(let plans, _) = event { knownKeys = Set(plans.map(\.key)) }
            for action in state.handle(event, at: clock.now()) {
                switch action {
                case .start(let order):
                    runs.addTask { [carrier, post] in
                        let verdict = await carrier.carryOut(order)
                        post.yield(.event(.ended(order, verdict)))
                    }
                case .record(let skipped): await carrier.record(skipped)
                case .announceRetry, .announceGivenUp, .announceClockSetBack, .announceClockBehind, .announceClockCaughtUp:
                    await carrier.announce(action)
                }
            }
            timer.arm(at: state.nextWake)
            let next = state.nextFire
            await carrier.schedulerChanged(
                SchedulerOverview(
                    running: state.running, waitingCount: state.waitingCount, nextKey: next?.key, nextFire: next?.at,
                    heldUntil: state.heldUntil))
        }
    }

    private func answer(_ message: Message) {
        switch message {
        case .heartbeat(let continuation):
            let overdue = state.nextWake.map { clock.now() - $0 } ?? .zero
            continuation.resume(returning: overdue < Self.longestOverdue)
        case .nextFires(let continuation):
            var fires: [JobKey: Instant] = [:]
            for key in knownKeys { fires[key] = state.nextFire(of: key) }
            continuation.resume(returning: fires)
        case .event, .parallel, .cancelRuns: break
        }
    }
}
