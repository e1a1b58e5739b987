import Glibc
import SystemPackage

/// The loop of ``Supervision``; its state belongs to the one thread that runs it.
struct SupervisionLoop {
    private struct Stage {
        let process: StageProcess
        /// Where its standard error is read; nil once that is over.
        var error: FileDescriptor?
        var lines = ErrorLines()
        var termination: Termination?
        /// Which round of the loop saw it end.
        var end = 0
        /// When its standard error is given up, if a process that it left behind holds it.
        var errorPatience: SuspendingClock.Instant?
        /// When it is ended, if a stage downstream of it has failed.
        var orphanDeadline: SuspendingClock.Instant?
        var wasTerminated = false
        /// When its session is to get its priority; nil once that is over.
        var priorityDue: SuspendingClock.Instant?

        var hasFailedFirstHand: Bool {
            guard let termination, !termination.isSuccess else { return false }
            return !StageResult(program: "", termination: termination, standardErrorTail: lines.tail).isBrokenPipe
        }
    }

    private enum Teardown {
        case none
        /// SIGTERM was sent; SIGKILL follows at this instant.
        case terminating(killAt: SuspendingClock.Instant)
        case killed
    }

    private let clock = SuspendingClock()
    private let supervision: Supervision
    private var stages: [Stage]
    private var source: FileDescriptor?
    private var sourceOffset = 0
    private var pump: OutputPump?
    private var pumpEnd: OutputPump.End?
    private var teardown = Teardown.none
    private var cause: PipelineError?
    private var round = 0

    /// How often a group is looked at that has lost its leader, and a process on a kernel without process descriptors.
    private static let recheck = Duration.milliseconds(20)

    init(_ supervision: Supervision) {
        self.supervision = supervision
        source = supervision.plumbing.source
        let now = clock.now
        stages = supervision.processes.enumerated().map { index, process in
            Stage(
                process: process, error: supervision.plumbing.errors[index],
                priorityDue: process.niceness > 0 ? now : nil)
        }
        // Standard errors of stages that were never started have no writer.
        for error in supervision.plumbing.errors.dropFirst(stages.count) { try? error.close() }
    }

    mutating func run() -> Supervision.Report {
        startPump()
        defer { try? source?.close() }
        while true {
            round += 1
            // Events first: what ends because the sink has failed is told of the sink's failure before it ends.
            noteEvents()
            noteEnds()
            keepTime()
            if isOver { break }
            wait()
        }
        for index in stages.indices { closeError(of: index) }
        var outputLeftOpen = false
        if case .leftOpen? = pumpEnd { outputLeftOpen = true }
        return Supervision.Report(
            stages: stages.map {
                StageResult(
                    program: $0.process.program, termination: $0.termination ?? .exited(-1),
                    standardErrorTail: $0.lines.tail)
            },
            ends: stages.map(\.end), cause: cause, outputLeftOpen: outputLeftOpen,
            bytesStreamed: pump?.bytesDelivered ?? 0)
    }

    private var allEnded: Bool { stages.allSatisfy { $0.termination != nil } }

    private var isOver: Bool {
        guard allEnded, pumpEnd != nil, stages.allSatisfy({ $0.error == nil }) else { return false }
        if case .terminating = teardown { return false }
        return true
    }

    private mutating func startPump() {
        guard let output = supervision.plumbing.output, let sink = supervision.sink else {
            pumpEnd = .endOfFile
            return
        }
        let events = supervision.events
        do {
            let pump = try OutputPump(
                source: output, patience: Pipeline.leftoverPatience, relay: supervision.relay, sink: sink)
            try pump.start { events.pumpEnded($0) }
            self.pump = pump
        } catch {
            try? output.close()
            pumpEnd = .abandoned
            begin(because: .cannotStart(program: "pipeline", reason: "\(error)"))
        }
    }

    // MARK: - What happened

    private mutating func noteEnds() {
        for index in stages.indices where stages[index].termination == nil {
            guard let termination = stages[index].process.termination() else { continue }
            stages[index].termination = termination
            stages[index].end = round
            stages[index].errorPatience = clock.now + Pipeline.leftoverPatience
            if index == stages.count - 1 { pump?.expectEnd() }
            guard !termination.isSuccess else { continue }
            let deadline = clock.now + supervision.grace
            for upstream in 0..<index where stages[upstream].orphanDeadline == nil {
                stages[upstream].orphanDeadline = deadline
            }
        }
    }

    private mutating func noteEvents() {
        let current = supervision.events.current
        switch current.reason {
        case .cancelled?: begin(because: .cancelled)
        case .cannotStart(let program, let reason)?: begin(because: .cannotStart(program: program, reason: reason))
        case nil: break
        }
        if pumpEnd == nil, let end = current.pumpEnd {
            pumpEnd = end
            // A stage that failed before is the cause, and the sink's failure its consequence.
            if case .sinkFailed(let error) = end {
                begin(because: stages.contains { $0.hasFailedFirstHand } ? nil : .sinkFailed(error))
            }
        }
    }

    private mutating func keepTime() {
        let now = clock.now
        lowerPriorities(now: now)
        if let deadline = supervision.deadline, now >= deadline.at, !isOver {
            begin(because: .deadlineExceeded(deadline.after))
        }
        if case .terminating(let killAt) = teardown {
            let isQuiet = allEnded && !stages.contains { $0.process.groupIsAlive() }
            if isQuiet || now >= killAt { killAll(now: now) }
        } else {
            endOrphans(now: now)
        }
        for index in stages.indices {
            guard let patience = stages[index].errorPatience, now >= patience else { continue }
            if case .terminating = teardown { continue }
            // One read takes all that fits into the pipe, and so all that the stage itself has written.
            readError(of: index)
            closeError(of: index)
        }
    }

    // MARK: - Teardown

    /// Starts to tear the pipeline down, unless that has begun. Without an error the stages' own failure is the result.
    private mutating func begin(because error: PipelineError?) {
        guard case .none = teardown else { return }
        cause = error
        teardown = .terminating(killAt: clock.now + supervision.grace)
        pump?.abandon()
        closeSource()
        for stage in stages { stage.process.terminateGroup() }
    }

    private mutating func killAll(now: SuspendingClock.Instant) {
        teardown = .killed
        for index in stages.indices {
            stages[index].process.signalGroup(SIGKILL)
            // What the group wrote before is read; who has left the group may still hold the pipe.
            stages[index].errorPatience = now + Pipeline.leftoverPatience
        }
    }

    private mutating func endOrphans(now: SuspendingClock.Instant) {
        for index in stages.indices where stages[index].termination == nil {
            guard let deadline = stages[index].orphanDeadline, now >= deadline else { continue }
            if stages[index].wasTerminated {
                stages[index].process.signalGroup(SIGKILL)
                stages[index].orphanDeadline = nil
            } else {
                stages[index].process.terminateGroup()
                stages[index].wasTerminated = true
                stages[index].orphanDeadline = now + supervision.grace
            }
        }
    }

    private mutating func lowerPriorities(now: SuspendingClock.Instant) {
        for index in stages.indices {
            guard let due = stages[index].priorityDue, now >= due else { continue }
            let process = stages[index].process
            let isOver =
                stages[index].termination != nil
                || SessionPriority.lower(sessionOf: process.processID, by: process.niceness)
            stages[index].priorityDue = isOver ? nil : now + SessionPriority.pause
        }
    }

    // MARK: - Waiting

    private mutating func wait() {
        var polled = [pollfd(fd: supervision.events.bell.descriptor.rawValue, events: Int16(POLLIN), revents: 0)]
        // poll(2) skips negative descriptors: each stage has its two places whatever it has left.
        for stage in stages {
            let process = stage.termination == nil ? stage.process.processDescriptor : -1
            polled.append(pollfd(fd: process, events: Int16(POLLIN), revents: 0))
            polled.append(pollfd(fd: stage.error?.rawValue ?? -1, events: Int16(POLLIN), revents: 0))
        }
        polled.append(pollfd(fd: source?.rawValue ?? -1, events: Int16(POLLOUT), revents: 0))

        _ = poll(&polled, nfds_t(polled.count), timeout())
        if polled[0].revents != 0 { supervision.events.bell.clear() }
        noteEvents()
        // Ends are noted before standard error is read: in what is read after a stage's end, all that it wrote is
        // there.
        noteEnds()
        for index in stages.indices where polled[2 + 2 * index].revents != 0 { readError(of: index) }
        if polled[polled.count - 1].revents != 0 { feedSource() }
    }

    private func timeout() -> Int32 {
        let now = clock.now
        var instants: [SuspendingClock.Instant] = []
        if case .none = teardown {
            instants += stages.filter { $0.termination == nil }.compactMap(\.priorityDue)
            if let deadline = supervision.deadline { instants.append(deadline.at) }
            instants += stages.filter { $0.termination == nil }.compactMap(\.orphanDeadline)
        }
        if case .terminating(let killAt) = teardown {
            instants.append(killAt)
            if allEnded { instants.append(now + Self.recheck) }
        } else {
            instants += stages.filter { $0.error != nil }.compactMap(\.errorPatience)
        }
        if stages.contains(where: { $0.termination == nil && $0.process.processDescriptor < 0 }) {
            instants.append(now + Self.recheck)
        }
        guard let next = instants.min() else { return -1 }
        return (next - now).wholeMilliseconds
    }

    // MARK: - Reading and writing

    private mutating func readError(of index: Int) {
        guard let error = stages[index].error else { return }
        let deliver = supervision.onErrorLine.map { listener in { (line: String) in listener(index, line) } }
        let count = withUnsafeTemporaryAllocation(byteCount: 64 * 1024, alignment: 16) { buffer in
            let count = Glibc.read(error.rawValue, buffer.baseAddress, buffer.count)
            if count > 0 {
                stages[index].lines.take(UnsafeRawBufferPointer(rebasing: buffer[..<count]), deliver: deliver)
            }
            return count
        }
        if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { closeError(of: index) }
    }

    private mutating func closeError(of index: Int) {
        guard let error = stages[index].error else { return }
        stages[index].error = nil
        try? error.close()
        let deliver = supervision.onErrorLine.map { listener in { (line: String) in listener(index, line) } }
        stages[index].lines.end(deliver: deliver)
    }

    private mutating func feedSource() {
        guard let source else { return }
        while sourceOffset < supervision.source.count {
            let count = supervision.source[sourceOffset...].withUnsafeBytes { bytes in
                Glibc.write(source.rawValue, bytes.baseAddress, bytes.count)
            }
            if count >= 0 {
                sourceOffset += count
                continue
            }
            if errno == EINTR { continue }
            if errno == EAGAIN { return }
            // A stage may well end without reading all of its input; what that means, its exit status says.
            if errno != EPIPE { begin(because: .sourceFailed(Errno(rawValue: errno))) }
            break
        }
        closeSource()
    }

    private mutating func closeSource() {
        try? source?.close()
        source = nil
    }
}

extension StageProcess {
    /// Asks every process of the group to end; one that is stopped is woken up to hear it.
    func terminateGroup() {
        signalGroup(SIGTERM)
        signalGroup(SIGCONT)
    }
}
