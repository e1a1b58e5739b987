import History
import Schedule

/// What the scheduler would do over some days, if every run took as long as it usually does.
///
/// It is the scheduler itself that decides, on a clock that jumps from event to event.
package struct Simulation: Sendable {
    /// A run that would take place.
    package struct Run: Hashable, Sendable {
        /// The job and its database.
        package let key: JobKey
        /// The instant at which the schedule is due.
        package let fire: Instant
        /// When it would begin.
        package let start: Instant
        /// When it would end, or stop itself.
        package let end: Instant
        /// Whether its window would close before it is done.
        package let isCutOff: Bool
    }

    private struct Going {
        let end: Instant
        let order: RunOrder
        let verdict: RunVerdict
    }

    /// The runs, in the order in which they begin.
    package private(set) var runs: [Run] = []
    /// The fires that would not become runs.
    package private(set) var skipped: [SkippedFire] = []
    /// Whether there were more events than are worth playing.
    package private(set) var isCutShort = false

    /// More events than this are not played.
    package static let eventLimit = 1_000_000

    /// Plays the plans.
    ///
    /// - Parameters:
    ///   - durations: how long a run of each job takes; a job that is not there takes no time.
    package init(
        _ plans: [JobPlan], durations: [JobKey: Duration], maxParallel: Int, from start: Instant, through end: Instant
    ) {
        var state = SchedulerState(maxParallel: maxParallel)
        var going: [Going] = []
        take(state.handle(.planned(plans, memory: [:]), at: start), at: start, durations, &going)
        for _ in 0..<Self.eventLimit {
            let nextEnd = going.min { ($0.end, $0.order.key) < ($1.end, $1.order.key) }
            guard let now = [nextEnd?.end, state.nextWake].compactMap(\.self).min(), now <= end else { return }
            if let nextEnd, nextEnd.end == now {
                going.removeAll { $0.order == nextEnd.order }
                take(state.handle(.ended(nextEnd.order, nextEnd.verdict), at: now), at: now, durations, &going)
            } else {
                take(state.handle(.tick, at: now), at: now, durations, &going)
            }
        }
        isCutShort = true
    }

    private mutating func take(
        _ actions: [SchedulerAction], at now: Instant, _ durations: [JobKey: Duration],
        _ going: inout [Going]
    ) {
        for action in actions {
            switch action {
            case .start(let order):
                let done = now + (durations[order.key] ?? .zero)
                let end = order.until.map { min($0, done) } ?? done
                going.append(Going(end: end, order: order, verdict: end < done ? .settled : .succeeded))
                runs.append(Run(key: order.key, fire: order.fire, start: now, end: end, isCutOff: end < done))
            case .record(let skip): skipped.append(skip)
            default: break
            }
        }
    }
}
