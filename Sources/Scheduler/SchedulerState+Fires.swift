import HeapModule
import History
import Schedule

extension SchedulerState {
    /// Decides what becomes of every fire and retry whose time has come.
    mutating func decideDue(at now: Instant) -> [SchedulerAction] {
        var actions: [SchedulerAction] = []
        while let first = wakes.min, first.at <= now {
            wakes.removeMin()
            // A stale wake is one of which something else has become.
            guard entries[first.key]?.wake == first.at else { continue }
            actions += decide(first.key, at: now)
        }
        return actions
    }

    private mutating func decide(_ key: JobKey, at now: Instant) -> [SchedulerAction] {
        guard let entry = entries[key] else { return [] }
        guard let due = entry.due, due <= now, let first = entry.next else {
            if let retry = entry.retry, retry.at <= now {
                update(key) { $0.retry = nil }
                return enqueue(retry.order, at: now)
            }
            if let watched = entry.watched.first, watched.at <= now {
                update(key) { $0.watched.removeFirst() }
                return enqueue(watched.order, at: now)
            }
            return []
        }
        let plan = entry.plan
        let since = entry.decidedUntil
        var fire = plan.schedule.latest(after: since, through: now) ?? first
        var decidedUntil = now
        if fire + plan.delay(of: fire) > now {
            // The newest fire is still being put off by the splay; the one before it is the newest that counts.
            decidedUntil = fire - .microseconds(1)
            fire = plan.schedule.latest(after: since, through: decidedUntil) ?? first
        }
        update(key) { entry in
            entry.decidedUntil = decidedUntil
            Self.lookAhead(&entry)
        }
        return missing(plan, since: since, through: decidedUntil)
            + become(fire, of: key, since: since, first: first, at: now)
    }

    /// The fires of a day that the zone left out, one record for each gap.
    private func missing(_ plan: JobPlan, since: Instant, through: Instant) -> [SchedulerAction] {
        let fires = plan.schedule.nonexistent(after: since, through: through)
        return Dictionary(grouping: fires, by: \.gapEnd).sorted { $0.key < $1.key }.map { end, fires in
            let times = fires.map(\.wallTime)
            let others = times.count > 1 ? " and \(times.count - 1) more times" : ""
            return .record(
                SkippedFire(
                    key: plan.key, fire: end, reason: .nonexistentDate, passed: nil, attempt: 0,
                    detail: "\(times[0])\(others) did not exist in \(plan.schedule.zone.identifier)"))
        }
    }

    /// What becomes of a fire, and of those that passed before it.
    private mutating func become(
        _ fire: Instant, of key: JobKey, since: Instant, first: Instant, at now: Instant
    ) -> [SchedulerAction] {
        guard let entry = entries[key] else { return [] }
        let plan = entry.plan
        recorded(fire)
        // Of many fires that passed at once only the last can become a run; the others share one record.
        let before =
            first < fire
            ? PassedFires(
                first: first,
                count: plan.schedule.count(after: since, through: fire - .microseconds(1), limit: Self.countLimit))
            : nil
        func skip(_ reason: SkipReason) -> [SchedulerAction] {
            [.record(SkippedFire(key: key, fire: fire, reason: reason, passed: before))]
        }
        if let reason = refusal(of: plan, entry.phase, at: now) { return skip(reason) }
        let lateness = now - (fire + plan.delay(of: fire))
        let isLate = lateness > Self.allowedLateness
        if isLate {
            guard plan.catchesUp else { return skip(.missed) }
            if let limit = plan.catchUpWithin, lateness > limit { return skip(.tooLate) }
        }
        var actions: [SchedulerAction] = []
        // Of what could not be recorded when it was due there is nothing yet.
        if let retry = entry.retry, retry.order.trigger != .retry, retry.order.fire < fire {
            actions.append(.record(self.skip(retry.order, .missed)))
        }
        if let before, let last = plan.schedule.latest(after: since, through: fire - .microseconds(1)) {
            let rest = before.count > 1 ? PassedFires(first: before.first, count: before.count - 1) : nil
            actions.append(.record(SkippedFire(key: key, fire: last, reason: .missed, passed: rest)))
        }
        update(key) { $0.retry = nil }
        return actions
            + enqueue(RunOrder(key: key, fire: fire, trigger: isLate ? .catchUp : .schedule, attempt: 1), at: now)
    }

    private func refusal(of plan: JobPlan, _ phase: Phase, at now: Instant) -> SkipReason? {
        if phase != .idle { return .overlap }
        if plan.isDestructive, heldUntil != nil { return .clockBehind }
        if let window = plan.window, !window.contains(now, in: plan.schedule.zone) { return .window }
        return nil
    }

    /// Puts a run into the queue, or lets it wait for the job that it is to run after.
    private mutating func enqueue(_ order: RunOrder, at now: Instant) -> [SchedulerAction] {
        guard let entry = entries[order.key] else { return [] }
        if entry.plan.isDestructive, heldUntil != nil { return [.record(skip(order, .clockBehind))] }
        guard let after = entry.plan.after else {
            ticket(order)
            return []
        }
        let sameNight = entries[after].flatMap {
            $0.plan.schedule.latest(after: order.fire - Self.sameNight, through: order.fire)
        }
        guard let sameNight else { return [.record(skip(order, .dependency))] }
        update(order.key) { $0.phase = .awaiting(order, fire: sameNight) }
        return []
    }

    mutating func ticket(_ order: RunOrder) {
        let ticket = Ticket(event: eventNumber, fire: order.fire, key: order.key)
        update(order.key) { $0.phase = .waiting(order, ticket) }
    }

    func skip(_ order: RunOrder, _ reason: SkipReason) -> SkippedFire {
        SkippedFire(key: order.key, fire: order.fire, reason: reason, passed: nil, attempt: order.attempt)
    }

    // MARK: - Dependencies

    /// Looks at every run that waits for another job: whether that has done its work, may still do it, or has not.
    mutating func settleDependents(at now: Instant) -> [SchedulerAction] {
        var actions: [SchedulerAction] = []
        var hasSkipped: Bool
        // One that is skipped may be what another one waits for.
        repeat {
            hasSkipped = false
            for key in dependents.sorted() {
                guard let entry = entries[key], case .awaiting(let order, let fire) = entry.phase else { continue }
                guard let after = entry.plan.after else {
                    // A reload has taken that order away.
                    ticket(order)
                    continue
                }
                switch state(of: after, for: fire, at: now) {
                case .done: ticket(order)
                case .pending: break
                case .failed, nil:
                    update(key) { $0.phase = .idle }
                    actions.append(.record(skip(order, .dependency)))
                    hasSkipped = true
                }
            }
        } while hasSkipped
        return actions
    }

    private enum DependencyState { case done, pending, failed }

    private func state(of key: JobKey, for fire: Instant, at now: Instant) -> DependencyState? {
        guard let entry = entries[key], !entry.isRemoved else { return nil }
        if let success = entry.lastSuccess, success >= fire { return .done }
        if entry.phase != .idle || entry.retry != nil { return .pending }
        // Another host runs it; should that die, this one does.
        if entry.watched.contains(where: { $0.order.fire >= fire }) { return .pending }
        // Put off by its splay, or due in this very moment.
        if let next = entry.next, next <= fire { return .pending }
        return .failed
    }
}
