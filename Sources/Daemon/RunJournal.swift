import History
import Jobs
import Logging
import Schedule
import Systemd

/// What the journal says of runs: one line for a run that went well.
enum RunJournal {
    /// What every line that concerns a run says of it.
    static func metadata(_ record: RunRecord) -> Logger.Metadata {
        [
            "job": "\(record.key.job)", "kind": "\(record.kind)", "run_id": "\(record.id)",
            "trigger": "\(record.trigger.rawValue)", "database": "\(record.key.database)",
        ]
    }

    static func metadata(_ record: RunRecord, _ event: JournalEvent) -> Logger.Metadata {
        var metadata = metadata(record)
        metadata["event"] = "\(event.rawValue)"
        metadata["attempt"] = "\(record.attempt)"
        if let fire = record.scheduledAt { metadata["scheduled_at"] = "\(fire.rfc3339)" }
        return metadata
    }

    static func started(_ record: RunRecord, logger: Logger) {
        // The line at the end says all of it; this one is for those who follow a run.
        logger.debug("started (\(record.trigger.rawValue))", metadata: metadata(record, .runStarted))
    }

    static func ended(_ record: RunRecord, details: String?, duration: Duration, logger: Logger) {
        let event: JournalEvent
        switch record.outcome {
        case .succeeded: event = .runSucceeded
        case .cancelled: event = .runCancelled
        case .skipped: event = .runSkipped
        case .failed, nil: event = record.errorCode == JobError.Code.timedOut.rawValue ? .runTimedOut : .runFailed
        }
        var metadata = metadata(record, event)
        metadata["outcome"] = "\((record.outcome ?? .failed).rawValue)"
        metadata["duration_usec"] = "\(duration.wholeMicroseconds)"
        for measure in record.measures { metadata[measure.name] = "\(measure.value)" }
        if let code = record.errorCode { metadata["error_code"] = "\(code)" }
        if let state = record.sqlState { metadata["sqlstate"] = "\(state)" }
        if let hint = record.hint { metadata["hint"] = "\(hint)" }
        if let path = record.path { metadata["path"] = "\(path)" }
        if let details { metadata["details"] = "\(details)" }
        let message = record.message ?? ""
        switch record.outcome {
        case .succeeded:
            logger.info("\(message), in \(HumanText.duration(duration))", metadata: metadata)
            for warning in record.warnings {
                var metadata = self.metadata(record, .programWarning)
                metadata["outcome"] = nil
                logger.warning("\(warning)", metadata: metadata)
            }
        case .cancelled:
            // How far it came: what the run has done stays done.
            let done = record.measures.filter { $0.value > 0 }
                .map { "\($0.name.replacing("_", with: " ")) \(HumanText.count($0.value))" }.joined(separator: ", ")
            logger.notice(
                "\(message) after \(HumanText.duration(duration))\(done.isEmpty ? "" : ": \(done)")", metadata: metadata)
        case .skipped: logger.notice("skipped: \(message)", metadata: metadata)
        case .failed, nil:
            let hint = record.hint.map { ". \($0)" } ?? ""
            logger.error("failed: \(message)\(hint)", metadata: metadata)
        }
    }

    /// A warning that repeats is folded: only how often is told.
    static func folded(_ key: JobKey, kind: String, reason: SkipReason, count: Int, logger: Logger) {
        logger.notice(
            "skipped \(HumanText.count(Int64(count), "more run")): \(reason.words)",
            metadata: [
                "event": "\(JournalEvent.runSkipped.rawValue)", "job": "\(key.job)", "kind": "\(kind)",
                "database": "\(key.database)", "skip_reason": "\(reason.rawValue)", "runs_skipped": "\(count)",
            ])
    }

    static func skipped(_ record: RunRecord, logger: Logger) {
        var metadata = metadata(record, record.skipReason == .missed || record.skipReason == .tooLate ? .fireMissed : .runSkipped)
        metadata["outcome"] = "skipped"
        metadata["duration_usec"] = "0"
        if let reason = record.skipReason { metadata["skip_reason"] = "\(reason.rawValue)" }
        let others = record.passed.map { $0.count > 0 ? ", and \(HumanText.count(Int64($0.count), "fire")) before it" : "" } ?? ""
        let fire = record.scheduledAt.map { " of \($0.rfc3339)\(others)" } ?? ""
        // With several hosts each fire is somebody else's for all but one of them.
        let level: Logger.Level = record.skipReason == .elsewhere ? .debug : .notice
        logger.log(level: level, "skipped the run\(fire): \(record.message ?? record.skipReason?.words ?? "")", metadata: metadata)
    }
}
