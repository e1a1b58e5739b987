import Configuration
import Foundation
import History
import Jobs
import Logging
import Postgres
import Schedule
import Scheduler
import Systemd

/// Runs one job once: the lock, the claim, the deadline, the record, the line in the journal.
package struct RunSupervisor: Sendable {
    /// How a run came out.
    package struct Ending: Sendable {
        /// What the history has of it.
        package let record: RunRecord
        /// What the scheduler should make of it.
        package let isWorthRetrying: Bool
        /// Whether the run was not begun because it could not be recorded.
        package let wasNotBegun: Bool
        /// What another host does with the fire; `nil` if it is ours.
        package var elsewhere: Elsewhere?
        /// Further lines that explain a failure.
        package let details: String?
    }

    /// What another host does with a fire.
    package enum Elsewhere: Hashable, Sendable {
        /// It runs it, as far as anybody knows.
        case running
        /// It has run it.
        case done(succeeded: Bool)
    }

    private let caretaker: Caretaker
    private let coordinator: Coordinator?

    /// A supervisor over a history.
    ///
    /// - Parameter coordinator: agrees with other hosts; `nil` if there are none.
    package init(caretaker: Caretaker, coordinator: Coordinator? = nil) {
        self.caretaker = caretaker
        self.coordinator = coordinator
    }

    /// Runs a job on one of its databases, to the end.
    ///
    /// - Parameters:
    ///   - fire: the instant that it was due at; `nil` for a run by hand.
    ///   - until: when it must stop itself, by the wall clock: the end of its window.
    ///   - progress: receives how far it has come.
    package func run(
        _ job: JobConfiguration, on database: DatabaseAccess, trigger: Trigger, fire: Instant?, attempt: Int = 1,
        until: Instant? = nil, isDryRun: Bool = false, progress: ProgressSink = .none
    ) async -> Ending {
        let started = caretaker.clock.now()
        var record = RunRecord(
            id: Self.identifier(at: started), key: JobKey(job: job.name, database: database.name), kind: job.kind,
            trigger: trigger, attempt: attempt, scheduledAt: fire, startedAt: started)
        let limits = Limits(timeout: job.timeout, window: until.map { max($0 - started, .zero) })
        let deadline = limits.shortest.map { started + $0 }
        let context = caretaker.context(
            for: record, database: database, zone: job.schedule.zone, deadline: deadline, isDryRun: isDryRun,
            progress: progress)
        if isDryRun {
            let begun = caretaker.clock.elapsed()
            let result = await perform(job, context, limits, nil)
            return finish(&record, result, elapsed: caretaker.clock.elapsed() - begun)
        }

        let lock: FileLock
        switch await takeLock(of: job.name) {
        case .taken(let taken): lock = taken
        case .held: return await skip(record, .locked)
        case .failed(let code):
            return notBegun(record, "the lock of the job cannot be taken: \(String(cString: strerror(code)))")
        }
        defer { withExtendedLifetime(lock) {} }
        let held: CoordinatedRun?
        var refusal: JobError?
        do throws(JobError) {
            switch try await coordinator?.claim(job.name, on: database, fire: fire, attempt: attempt) {
            case .taken(let run): held = run
            case nil: held = nil
            case .running: return fire == nil ? await skip(record, .elsewhere) : takenElsewhere(record, .running)
            case .overlapping: return await skip(record, .overlap)
            case .done(_, let succeeded):
                _ = await skip(record, .elsewhere)
                return takenElsewhere(record, .done(succeeded: succeeded))
            }
        } catch {
            held = nil
            refusal = error
        }
        do throws(History.Failure) {
            guard try await caretaker.history.begin(record) == .taken else {
                await held?.end(.skipped, retryDelay: nil)
                return Ending(record: record, isWorthRetrying: false, wasNotBegun: false, details: nil)
            }
        } catch {
            await held?.end(.failed, retryDelay: SchedulerState.recordRetryDelay)
            return notBegun(record, Caretaker.failure(error).message)
        }
        RunJournal.started(record, logger: caretaker.logger)
        let begun = caretaker.clock.elapsed()
        let result: Result<JobSummary, JobError> =
            if let refusal { .failure(refusal) } else { await perform(job, context, limits, held) }
        let ending = finish(&record, result, elapsed: caretaker.clock.elapsed() - begun)
        // First where the others look: should this process die in between, the run is shown as interrupted, not repeated.
        let triesAgain = ending.isWorthRetrying && attempt <= job.retries
        // What a stop cut off has not failed: this host makes up for it when it is back, or another one does before.
        let isMadeUp = Task.isCancelled && job.catchesUp && ending.record.errorCode == JobError.Code.cancelled.rawValue
        await held?.end(
            ending.record.outcome ?? .failed,
            retryDelay: triesAgain ? SchedulerState.delay(job.retryDelay, afterAttempt: attempt) : isMadeUp ? .zero : nil)
        await save(ending.record)
        RunJournal.ended(
            ending.record, details: ending.details, duration: caretaker.clock.elapsed() - begun, logger: caretaker.logger)
        return ending
    }

    private func takenElsewhere(_ record: RunRecord, _ state: Elsewhere) -> Ending {
        Ending(record: record, isWorthRetrying: false, wasNotBegun: false, elsewhere: state, details: nil)
    }

    /// Asks for the lock of a job, for a moment longer than the lock itself would.
    ///
    /// A child that is just being started shares all descriptors of this process until it becomes its program, and with them a
    /// lock that has been let go of here.
    private func takeLock(of job: String) async -> FileLock.Result {
        let clock = caretaker.clock
        for _ in 0..<10 {
            let result = caretaker.lock(job: job)
            guard case .held = result else { return result }
            await Task.detached { try? await clock.sleep(for: .milliseconds(50)) }.value
        }
        return caretaker.lock(job: job)
    }

    /// Writes the end of a run. A disk that is full now may not be in a moment, and a run without an end would be taken
    /// for one that was cut off.
    private func save(_ record: RunRecord) async {
        for attempt in 1...5 {
            do throws(History.Failure) {
                try await caretaker.history.end(record)
                return
            } catch {
                if attempt == 5 {
                    caretaker.logger.critical(
                        "the end of a run cannot be recorded: \(Caretaker.failure(error).message)",
                        metadata: RunJournal.metadata(record, .historyUnavailable))
                }
            }
            // Not in this task, which may have been cancelled: the sleep would return at once.
            let clock = caretaker.clock
            await Task.detached { try? await clock.sleep(for: .milliseconds(200 * attempt)) }.value
        }
    }

    /// How long a run may take, from its beginning.
    private struct Limits: Sendable {
        let timeout: Duration?
        let window: Duration?

        var shortest: Duration? { [timeout, window].compactMap(\.self).min() }

        /// What a run that reached the shortest limit ended with.
        func error(after error: JobError) -> JobError {
            let isWindow = window != nil && window == shortest
            guard !isWindow else {
                return JobError(
                    .windowEnded, "stopped at the end of its window", hint: "It goes on at its next fire.",
                    measures: error.measures, details: error.details)
            }
            return JobError(
                .timedOut, "ended after its timeout of \(HumanText.duration(timeout ?? .zero))",
                hint: "Raise timeout if the job needs longer, or find out what it waited for.", measures: error.measures,
                details: error.details)
        }
    }

    private func perform(
        _ job: JobConfiguration, _ context: JobContext, _ limits: Limits, _ held: CoordinatedRun?
    ) async -> Result<JobSummary, JobError> {
        enum Event: Sendable {
            case ended(Result<JobSummary, JobError>)
            case limitReached
            case lockLost
            case timerEnded
        }
        return await withTaskGroup(of: Event.self) { group in
            group.addTask {
                do throws(JobError) {
                    return .ended(.success(try await job.job.run(in: context)))
                } catch {
                    return .ended(.failure(error))
                }
            }
            if let limit = limits.shortest {
                group.addTask {
                    do {
                        try await context.clock.sleep(for: limit)
                        return .limitReached
                    } catch {
                        return .timerEnded
                    }
                }
            }
            if let held {
                group.addTask { await held.watch() ? .lockLost : .timerEnded }
            }
            var isLate = false
            var hasLostLock = false
            for await event in group {
                switch event {
                case .limitReached:
                    isLate = true
                    group.cancelAll()
                case .lockLost:
                    hasLostLock = true
                    group.cancelAll()
                case .timerEnded: break
                case .ended(let result):
                    group.cancelAll()
                    if hasLostLock, case .failure(let error) = result {
                        return .failure(
                            JobError(
                                .lockLost, "ended because the session that held the job's lock was lost",
                                hint: "Look at the server's log; it is tried again, here or on another host.",
                                isWorthRetrying: true, measures: error.measures, details: error.details))
                    }
                    guard isLate, case .failure(let error) = result else { return result }
                    return .failure(limits.error(after: error))
                }
            }
            return .failure(JobError(.unexpected, "the run ended without a result"))
        }
    }

    private func finish(
        _ record: inout RunRecord, _ result: Result<JobSummary, JobError>, elapsed: Duration
    ) -> Ending {
        // The wall clock may have been set meanwhile; how long it took is told by the other one.
        record.endedAt = record.startedAt + elapsed
        switch result {
        case .success(let summary):
            record.outcome = .succeeded
            record.message = summary.sentence
            record.path = summary.path
            record.measures = summary.measures.map { RunMeasure(name: $0.name, value: $0.value) }
            record.warnings = summary.warnings
            return Ending(record: record, isWorthRetrying: false, wasNotBegun: false, details: nil)
        case .failure(let error):
            record.outcome = error.code == .cancelled || error.code == .windowEnded ? .cancelled : .failed
            record.errorCode = error.code.rawValue
            record.message = error.message
            record.hint = error.hint
            record.sqlState = error.sqlState
            record.measures = error.measures.map { RunMeasure(name: $0.name, value: $0.value) }
            return Ending(
                record: record, isWorthRetrying: error.isWorthRetrying && record.outcome == .failed, wasNotBegun: false,
                details: error.details)
        }
    }

    private func skip(_ record: RunRecord, _ reason: SkipReason) async -> Ending {
        var record = record
        record.endedAt = record.startedAt
        record.outcome = .skipped
        record.skipReason = reason
        record.message = reason.words
        if record.scheduledAt != nil { try? await caretaker.history.record(skipped: record) }
        RunJournal.skipped(record, logger: caretaker.logger)
        return Ending(record: record, isWorthRetrying: false, wasNotBegun: false, details: nil)
    }

    private func notBegun(_ record: RunRecord, _ reason: String) -> Ending {
        var record = record
        record.endedAt = record.startedAt
        record.outcome = .failed
        record.errorCode = JobError.Code.historyUnavailable.rawValue
        record.message = "not begun, because it could not be recorded: \(reason)"
        record.hint = "Make room or mend the permissions; it is tried again every minute."
        RunJournal.ended(record, details: nil, duration: .zero, logger: caretaker.logger)
        return Ending(record: record, isWorthRetrying: true, wasNotBegun: true, details: nil)
    }

    /// Sorts by time and is unique: the instant to the microsecond and 32 random bits.
    static func identifier(at now: Instant) -> String {
        func hexadecimal(_ number: UInt64, digits: Int) -> String {
            let text = String(number, radix: 16)
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
        return hexadecimal(UInt64(bitPattern: now.microsecondsSinceEpoch), digits: 14)
            + hexadecimal(UInt64(UInt32.random(in: 0...UInt32.max)), digits: 8)
    }
}
