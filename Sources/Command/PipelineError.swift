/// Why a pipeline gave no result. By the time it is thrown, every process of the pipeline has been reaped.
package enum PipelineError: Error {
    /// A program could not be started; none of the others is left running.
    case cannotStart(program: String, reason: String)
    /// The pipeline did not end within its deadline and was torn down.
    case deadlineExceeded(Duration)
    /// The task that ran the pipeline was cancelled.
    case cancelled
    /// What takes the output refused it: the caller's closure threw this error, `.collect` ran over its limit
    /// (``OutputLimitExceeded``), or nobody reads what `.relay` passes on (`Errno.brokenPipe`).
    case sinkFailed(any Error)
    /// The input could not be opened or fed to the first stage.
    case sourceFailed(any Error)
    /// The last stage exited but a process it left behind still holds its standard output open, so nobody can say that
    /// the output is whole. Only `.stream` and `.relay` throw this; `.collect` returns what the stage itself wrote.
    case outputLeftOpen(program: String)
}

extension PipelineError: CustomStringConvertible {
    /// One line for a log: lower case, no final stop.
    package var description: String {
        switch self {
        case .cannotStart(let program, let reason): "cannot start \(program): \(reason)"
        case .deadlineExceeded(let deadline): "did not end within \(deadline.formatted)"
        case .cancelled: "cancelled"
        case .sinkFailed(let error): "the output could not be taken: \(error)"
        case .sourceFailed(let error): "the input could not be read: \(error)"
        case .outputLeftOpen(let program):
            "\(program) ended but left a process behind that keeps its output open"
        }
    }
}

/// The output to be collected is larger than the caller allowed.
package struct OutputLimitExceeded: Error, Hashable, CustomStringConvertible {
    /// The limit in bytes.
    package var limit: Int

    /// Creates the error for a limit in bytes.
    package init(limit: Int) { self.limit = limit }

    /// One line for a log.
    package var description: String { "more than \(limit) bytes" }
}

extension Duration {
    /// Seconds with at most three decimals, such as "90 s" or "0.25 s".
    fileprivate var formatted: String {
        let milliseconds = components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
        guard milliseconds % 1000 != 0 else { return "\(milliseconds / 1000) s" }
        var decimals = String(1000 + milliseconds % 1000).dropFirst()
        while decimals.last == "0" { decimals.removeLast() }
        return "\(milliseconds / 1000).\(decimals) s"
    }
}
