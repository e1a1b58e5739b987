/// How a child process ended (wait(2)).
package enum Termination: Hashable, Sendable {
    /// It exited by itself with this status.
    case exited(Int32)
    /// This signal ended it.
    case signalled(Int32)

    /// Whether the process exited with status 0.
    package var isSuccess: Bool { self == .exited(0) }
}

extension Termination: CustomStringConvertible {
    /// In words, to follow a program's name: "exited with status 1", "was ended by signal 15".
    package var description: String {
        switch self {
        case .exited(let status): "exited with status \(status)"
        case .signalled(let signal): "was ended by signal \(signal)"
        }
    }
}

/// How one stage of a pipeline ended.
package struct StageResult: Sendable, Hashable {
    /// The last path component of the executable.
    package var program: String
    /// How the process ended.
    package var termination: Termination
    /// The last 16 KiB of what the stage wrote to its standard error, from the start of a line where possible.
    package var standardErrorTail: String

    /// Creates a result, for the pipeline and for tests of what reads it.
    package init(program: String, termination: Termination, standardErrorTail: String = "") {
        self.program = program
        self.termination = termination
        self.standardErrorTail = standardErrorTail
    }
}

/// What a pipeline came to once every one of its processes has been reaped.
package struct PipelineResult: Sendable {
    /// The stages in the order of the pipeline.
    package var stages: [StageResult]
    /// What the last stage wrote, for `.collect`; otherwise empty.
    package var output: [UInt8]
    /// How many bytes of the last stage's standard output were read, for `.collect` and `.stream`.
    package var bytesStreamed: Int64
    /// Where in `stages` the first-hand failure is.
    package var firstFailureIndex: Int?

    /// Creates a result. Without knowledge of the order in which the stages ended, the first failure is judged from how
    /// they ended.
    package init(stages: [StageResult], output: [UInt8] = [], bytesStreamed: Int64 = 0) {
        self.init(stages: stages, ends: stages.map { _ in 0 }, output: output, bytesStreamed: bytesStreamed)
    }

    /// Creates a result from stages and the order in which they ended; stages seen to end together bear the same
    /// number.
    init(stages: [StageResult], ends: [Int], output: [UInt8], bytesStreamed: Int64) {
        self.stages = stages
        self.output = output
        self.bytesStreamed = bytesStreamed
        self.firstFailureIndex = Self.firstHandFailure(in: stages, ends: ends)
    }

    /// The stage that failed first-hand, or nil if all of them exited with status 0.
    ///
    /// A stage whose reader went away dies of SIGPIPE or says "Broken pipe": that is a consequence, and named only if
    /// there is nothing else to name.
    package var firstFailure: StageResult? { firstFailureIndex.map { stages[$0] } }

    /// Decides which stage failed first-hand.
    ///
    /// A failure caused by another one is either a broken pipe (upstream of the cause) or an unexpected end of input
    /// (downstream of it). So broken pipes come last, then the earliest end counts, and among those that ended together
    /// the one furthest upstream.
    static func firstHandFailure(in stages: [StageResult], ends: [Int]) -> Int? {
        stages.indices
            .filter { !stages[$0].termination.isSuccess }
            .min { left, right in
                let (leftIsEcho, rightIsEcho) = (stages[left].isBrokenPipe, stages[right].isBrokenPipe)
                if leftIsEcho != rightIsEcho { return rightIsEcho }
                if ends[left] != ends[right] { return ends[left] < ends[right] }
                // Of two broken pipes the lower one broke first; of two other failures the upper one was first.
                return leftIsEcho ? left > right : left < right
            }
    }
}

extension StageResult {
    /// Whether the stage ended because nobody read its output any more.
    ///
    /// Programs that ignore SIGPIPE exit with a status of their own and print strerror(EPIPE), which is "Broken pipe"
    /// in the C locale.
    var isBrokenPipe: Bool {
        switch termination {
        case .signalled(let signal): signal == Signal.brokenPipe
        case .exited(0): false
        case .exited: standardErrorTail.contains("Broken pipe")
        }
    }
}
