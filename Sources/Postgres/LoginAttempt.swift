import CLibpq
import Glibc
import Synchronization

/// One attempt to log in, which may be given up at any moment, even while the resolver blocks inside of libpq.
///
/// Whoever waits is answered exactly once: by the login's end, by its own cancellation or by the time being over. A login
/// that ends after that closes its connection again.
final class LoginAttempt: Sendable {
    /// Carries a session from the thread that made it to the actor that will own it.
    struct Handover: @unchecked Sendable {
        // @unchecked: the maker lets go of it, and the actor runs on that very thread.
        let session: LibpqSession
    }

    typealias Outcome = Result<Handover, PostgresError>

    private struct State {
        var continuation: CheckedContinuation<Outcome, Never>?
        var early: Outcome?
        var isAnswered = false
    }

    private let state = Mutex(State())
    private let target: ConnectionTarget
    private let options: SessionOptions
    private let waker: Waker

    init(target: ConnectionTarget, options: SessionOptions, waker: Waker) {
        self.target = target
        self.options = options
        self.waker = waker
    }

    /// The outcome, as soon as there is one; to be called once.
    func outcome() async -> Outcome {
        await withCheckedContinuation { continuation in
            let early = state.withLock { state in
                if state.early == nil { state.continuation = continuation }
                return state.early
            }
            if let early { continuation.resume(returning: early) }
        }
    }

    /// Answers whoever waits; only the first answer counts. `false` if it came too late.
    @discardableResult
    func answer(_ outcome: Outcome) -> Bool {
        let continuation = state.withLock { state -> CheckedContinuation<Outcome, Never>?? in
            guard !state.isAnswered else { return nil }
            state.isAnswered = true
            if state.continuation == nil { state.early = outcome }
            defer { state.continuation = nil }
            return .some(state.continuation)
        }
        guard let continuation else { return false }
        continuation?.resume(returning: outcome)
        waker.ring()
        return true
    }

    /// How long the whole attempt may take; `nil` for ever.
    var patience: Duration? {
        timeoutPerHost.map { $0 * max(1, target.hostCount) }
    }

    /// The time is over, whatever libpq is doing.
    func expire() {
        answer(.failure(timedOut()))
    }

    // MARK: On the connection's thread

    /// Logs in, host after host, and sets the session up. Blocks.
    func open() -> Outcome {
        var skippedHosts = 0
        while true {
            do throws(PostgresError) {
                switch try logIn(skippingHosts: skippedHosts) {
                case .connected(let session): return .success(Handover(session: session))
                case .stuck(let hosts):
                    // PQconnectPoll leaves time-outs to its caller, and has no way to be told "next host".
                    skippedHosts += hosts
                    guard skippedHosts < target.hostCount else { throw timedOut() }
                }
            } catch {
                return .failure(error)
            }
        }
    }

    private enum Progress {
        case connected(LibpqSession)
        case stuck(hosts: Int)
    }

    private var isGivenUp: Bool { state.withLock { $0.isAnswered } }

    private var timeoutPerHost: Duration? {
        guard let text = target.keywords["connect_timeout"], let seconds = Int64(text) else {
            return options.connectTimeout
        }
        return seconds > 0 ? .seconds(seconds) : nil
    }

    private func timedOut() -> PostgresError {
        PostgresError(
            "\(target.summary) did not answer in time",
            hint: "Check that host and port are right and that no firewall drops the connection.",
            isConnectionLost: true)
    }

    private func logIn(skippingHosts skipped: Int) throws(PostgresError) -> Progress {
        let parameters = target.loginParameters(options: options, skippingHosts: skipped)
        let names = parameters.map { Optional($0.name) } + [nil]
        let values = parameters.map { Optional($0.value) } + [nil]
        let started = withCStrings(names) { names in
            withCStrings(values) { values in PQconnectStartParams(names.baseAddress, values.baseAddress, 0) }
        }
        guard let connection = started else { throw PostgresError("out of memory", sqlState: nil) }
        let session = LibpqSession(connection: connection, waker: waker, cancelPatience: options.cancelPatience)
        guard PQstatus(connection) != CONNECTION_BAD else { throw PostgresError(failedConnection: connection) }
        PQsetErrorVerbosity(connection, PQERRORS_VERBOSE)

        var host = place(of: connection)
        var passedHosts = 1
        var deadline = timeoutPerHost.map { ContinuousClock.now + $0 }
        var wanted = PGRES_POLLING_WRITING
        while wanted != PGRES_POLLING_OK {
            guard wanted != PGRES_POLLING_FAILED else { throw PostgresError(failedConnection: connection) }
            let events = wanted == PGRES_POLLING_READING ? Int32(POLLIN) : Int32(POLLOUT)
            let ready = awaitSocket(events, on: PQsocket(connection), or: waker, until: deadline)
            guard !isGivenUp else { throw .cancelled }
            guard ready != 0 else {
                if let deadline, deadline <= .now { return .stuck(hosts: passedHosts) }
                continue
            }
            wanted = PQconnectPoll(connection)
            let newHost = place(of: connection)
            if newHost != host {
                host = newHost
                passedHosts += 1
                deadline = timeoutPerHost.map { .now + $0 }
            }
        }
        try session.loggedIn()
        _ = try session.run(.simple(options.setup(schema: target.schema)), deadline: deadline)
        return .connected(session)
    }

    private func place(of connection: OpaquePointer) -> String {
        let host = PQhost(connection).map { String(cString: $0) } ?? ""
        let port = PQport(connection).map { String(cString: $0) } ?? ""
        return "\(host) \(port)"
    }
}
