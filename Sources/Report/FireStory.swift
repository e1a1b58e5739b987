import History
import Jobs
import Schedule

/// What became of one instant of a job: from the ledger a sentence.
package struct FireStory: Sendable {
    /// The job on its database.
    package let key: JobKey
    let isEnabled: Bool
    let schedule: ZonedSchedule
    let instant: Instant
    let records: [RunRecord]
    let firstSeen: Instant?
    let now: Instant

    /// The story of an instant.
    ///
    /// - Parameters:
    ///   - records: what the history has of it, the last attempt last.
    ///   - firstSeen: since when the history knows the job; `nil` if it does not.
    package init(
        key: JobKey, isEnabled: Bool, schedule: ZonedSchedule, instant: Instant, records: [RunRecord], firstSeen: Instant?,
        now: Instant
    ) {
        self.key = key
        self.isEnabled = isEnabled
        self.schedule = schedule
        self.instant = instant
        // One record for many fires says nothing of an instant between them; of a schedule that has changed since nobody knows.
        let isFire = schedule.next(after: instant - .microseconds(1)) == instant
        let isKnown = firstSeen.map { $0 <= instant } ?? false
        self.records = isFire || !isKnown ? records : records.filter { $0.scheduledAt == instant }
        self.firstSeen = firstSeen
        self.now = now
    }

    /// The kinds of ends that a story has.
    package enum State: String, Sendable {
        case succeeded, failed, cancelled, skipped, running
        /// The schedule has no fire then.
        case notDue = "not-due"
        /// It is still to come.
        case toCome = "to-come"
        /// It was due, and nothing is recorded of it.
        case unrecorded
    }

    /// Whether the schedule, as it is now, has a fire at that instant.
    package var isFire: Bool { schedule.next(after: instant - .microseconds(1)) == instant }

    /// How it ended.
    package var state: State {
        guard let last = records.last else {
            return !isFire ? .notDue : instant > now ? .toCome : .unrecorded
        }
        return switch last.outcome {
        case .succeeded: .succeeded
        case .failed: .failed
        case .cancelled: .cancelled
        case .skipped: .skipped
        case nil: .running
        }
    }

    /// The answer for people.
    package var sentence: String {
        let when = "\(key.job) at \(wall(instant))"
        switch state {
        case .notDue:
            let before = schedule.latest(after: instant - .seconds(8 * 366 * 86400), through: instant)
            let after = schedule.next(after: instant)
            let around = [before, after].compactMap(\.self).map(wall).joined(separator: " and ")
            return "\(when): not scheduled then; the fires around it are \(around)"
        case .toCome:
            return "\(when): still to come, in \(HumanText.duration(instant - now))\(isEnabled ? "" : ", but the job is disabled")"
        case .unrecorded: return "\(when): \(absence)"
        case .succeeded, .failed, .cancelled, .skipped, .running:
            return "\(when): " + records.enumerated().map { told($0.element, isFirst: $0.offset == 0) }.joined(separator: "; then ")
        }
    }

    private var absence: String {
        guard let firstSeen else { return "no record; the daemon has not seen this job yet" }
        if instant < firstSeen { return "no record; the job, or its schedule, is known only since \(wall(firstSeen))" }
        if !isEnabled { return "no record; the job is disabled" }
        if now - instant < .seconds(3600) { return "no record yet: it waits for its turn, or the daemon is not running" }
        return "no record; the daemon was not running, or the record is older than history_keep"
    }

    private func told(_ record: RunRecord, isFirst: Bool) -> String {
        let took = record.endedAt.map { HumanText.duration($0 - record.startedAt) } ?? ""
        let start = wall(record.startedAt)
        let how =
            switch record.trigger {
            case .schedule: "ran at \(start)"
            case .catchUp: "was made up for at \(start)"
            case .retry: "was tried again at \(start) (attempt \(record.attempt))"
            case .manual: "was run by hand at \(start)"
            }
        let message = record.message.map { ": \($0)" } ?? ""
        switch record.outcome {
        case .succeeded: return "\(how) and succeeded in \(took)\(message)"
        case .failed: return "\(how) and failed after \(took)\(message)"
        case .cancelled: return "\(how) and was cancelled after \(took)\(message)"
        case nil: return "\(how) and is still running"
        case .skipped:
            let reason = record.message ?? record.skipReason?.words ?? "for a reason that this version does not know"
            guard let passed = record.passed, let fire = record.scheduledAt, fire != instant else {
                return isFirst ? "did not run: \(reason)" : "was not tried again: \(reason)"
            }
            return
                "did not run: \(reason); one record stands for \(HumanText.count(Int64(passed.count) + 1, "fire")) from \(wall(passed.first)) to \(wall(fire))"
        }
    }

    private func wall(_ instant: Instant) -> String { instant.wallTime(in: schedule.zone) }

    /// The answer for programs.
    package var json: JSONValue {
        .object([
            ("job", .text(key.job)), ("database", .text(key.database)), ("instant", .text(instant.rfc3339)),
            ("due", .boolean(isFire)), ("state", .text(state.rawValue)),
            ("reason", .optional(records.last?.skipReason?.rawValue ?? records.last?.errorCode)), ("sentence", .text(sentence)),
            ("runs", RunReports.json(records)),
        ])
    }
}
