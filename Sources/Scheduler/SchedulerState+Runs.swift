import HeapModule
import History
import Schedule

extension SchedulerState {
    /// Hands out what waits, in its order, as far as there is room.
    mutating func startWaiting(at now: Instant) -> [SchedulerAction] {
        var actions: [SchedulerAction] = []
        var blocked: [Ticket] = []
        // One job is one thing at a time, also on several databases.
        var busyJobs = Set(handedOut.keys.map(\.job))
        var busyGroups = Set(handedOut.keys.compactMap { entries[$0]?.plan.group })
        while handedOut.count < maxParallel, let next = queue.popMin() {
            guard let entry = entries[next.key], case .waiting(var order, let ticket) = entry.phase, ticket == next
            else { continue }
            let plan = entry.plan
            guard !busyJobs.contains(next.key.job), plan.group.map({ !busyGroups.contains($0) }) ?? true else {
                blocked.append(next)
                continue
            }
            if let window = plan.window {
                guard let end = window.end(at: now, in: plan.schedule.zone) else {
                    // It waited until its window had closed.
                    update(next.key) { $0.phase = .idle }
                    actions.append(.record(skip(order, .window)))
                    continue
                }
                order.until = end
            }
            busyJobs.insert(next.key.job)
            if let group = plan.group { busyGroups.insert(group) }
            update(next.key) { $0.phase = .running(order) }
            actions.append(.start(order))
        }
        queue.insert(contentsOf: blocked)
        return actions
    }

    /// What becomes of a job whose run has ended.
    mutating func end(_ order: RunOrder, _ verdict: RunVerdict, at now: Instant) -> [SchedulerAction] {
        guard let entry = entries[order.key], entry.phase == .running(order) else { return [] }
        guard !entry.isRemoved else {
            update(order.key) { $0.phase = .idle }
            entries[order.key] = nil
            return []
        }
        let plan = entry.plan
        update(order.key) { entry in
            entry.phase = .idle
            if verdict == .succeeded { entry.lastSuccess = max(entry.lastSuccess ?? order.fire, order.fire) }
        }
        guard !isStopping else { return [] }
        var again = order
        again.until = nil
        switch verdict {
        case .succeeded, .settled: return []
        case .notBegun:
            update(order.key) { $0.retry = Retry(order: again, at: now + Self.recordRetryDelay) }
            return []
        case .takenElsewhere:
            var dropped: [SchedulerAction] = []
            if entry.watched.count >= Self.watchLimit, let oldest = entry.watched.first {
                dropped = [.record(skip(oldest.order, .elsewhere))]
            }
            update(order.key) { entry in
                if !dropped.isEmpty { entry.watched.removeFirst() }
                entry.watched.append(Retry(order: again, at: now + Self.takeoverDelay))
            }
            return dropped
        case .failedTransiently:
            let at = now + Self.delay(plan.retryDelay, afterAttempt: order.attempt)
            let isInWindow = plan.window.map { $0.contains(at, in: plan.schedule.zone) } ?? true
            guard order.attempt <= plan.retries, isInWindow else {
                return plan.retries > 0 ? [.announceGivenUp(order)] : []
            }
            let next = RunOrder(key: order.key, fire: order.fire, trigger: .retry, attempt: order.attempt + 1)
            update(order.key) { $0.retry = Retry(order: next, at: at) }
            return [.announceRetry(next, at: at)]
        }
    }

    /// How long to wait after a failed attempt: twice as long after each, but an hour at most.
    package static func delay(_ retryDelay: Duration, afterAttempt attempt: Int) -> Duration {
        var delay = retryDelay
        for _ in 1..<max(attempt, 1) where delay < longestRetryDelay { delay = delay * 2 }
        return min(delay, max(longestRetryDelay, retryDelay))
    }
}
