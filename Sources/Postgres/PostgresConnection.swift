import CLibpq

/// A session with a PostgreSQL server.
///
/// The actor runs on a thread of its own and blocks there, never on Swift's cooperative pool; the thread ends with the
/// connection. Cancelling the task that waits for a call cancels the statement on the server, and the connection stays
/// usable. One statement runs at a time; whoever opens a transaction should not share the connection until it ends.
package actor PostgresConnection {
    /// Where and as whom the session was opened.
    package nonisolated let target: ConnectionTarget
    /// The server's version as `PG_VERSION_NUM` has it: 150018 for 15.18.
    package nonisolated let serverVersion: Int
    /// The process that serves this session (`pg_backend_pid()`).
    package nonisolated let backendPID: Int32
    /// The name of the database, also where the target leaves it to a default.
    package nonisolated let database: String
    /// The role that logged in, also where the target leaves it to a default.
    package nonisolated let user: String
    /// The host, or the folder of the socket.
    package nonisolated let host: String
    /// The port, also where the target leaves it to a default.
    package nonisolated let port: Int

    private let thread: ConnectionThread
    private var session: LibpqSession?

    /// The connection's own thread.
    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    private init(_ handover: LoginAttempt.Handover, target: ConnectionTarget, thread: ConnectionThread) {
        let connection = handover.session.connection
        self.target = target
        self.thread = thread
        serverVersion = Int(PQserverVersion(connection))
        backendPID = PQbackendPID(connection)
        database = PQdb(connection).map { String(cString: $0) } ?? ""
        user = PQuser(connection).map { String(cString: $0) } ?? ""
        host = PQhost(connection).map { String(cString: $0) } ?? ""
        port = PQport(connection).flatMap { Int(String(cString: $0)) } ?? 5432
        session = handover.session
    }

    deinit {
        thread.retire()
    }

    /// Opens a session: `TimeZone` is UTC, `DateStyle` ISO, the encoding UTF-8, `search_path` the target's schema.
    ///
    /// - Throws: an error whose `isConnectionLost` is true where no server answered, and with the server's `sqlState` where
    ///   one did and refused; `isCancelled` if the task was cancelled, at once, even while a name is being resolved.
    package static func connect(
        to target: ConnectionTarget, options: SessionOptions = SessionOptions()
    ) async throws(PostgresError) -> PostgresConnection {
        guard !Task.isCancelled else { throw .cancelled }
        guard let waker = Waker() else {
            throw PostgresError("this process has no file descriptor left", isConnectionLost: true)
        }
        let thread = ConnectionThread()
        let attempt = LoginAttempt(target: target, options: options, waker: waker)
        thread.run {
            // Too late: the session goes as the outcome does, here, and nobody else will retire the thread.
            if !attempt.answer(attempt.open()) { thread.retire() }
        }
        // libpq resolves names in a blocking call that its own deadlines cannot end, so one more clock watches from
        // outside, a little later than the inner one.
        let watch = attempt.patience.map { patience in
            Task.detached {
                try await Task.sleep(for: patience + .seconds(1))
                attempt.expire()
            }
        }
        defer { watch?.cancel() }
        let outcome = await withTaskCancellationHandler {
            await attempt.outcome()
        } onCancel: {
            attempt.answer(.failure(.cancelled))
        }
        do throws(PostgresError) {
            return PostgresConnection(try outcome.get(), target: target, thread: thread)
        } catch {
            thread.retire()
            throw error
        }
    }

    /// Closes the session and lets its thread end. A transaction that is open is rolled back by the server.
    package func close() {
        session = nil
        thread.retire()
    }

    // MARK: Statements

    /// Runs one statement with parameters `$1`, `$2` … and returns its rows.
    ///
    /// - Throws: the server's error; ``PostgresError/cancelled`` if the task was cancelled before the statement ended. A
    ///   statement that ended first is reported as it ended.
    @discardableResult
    package func query(_ sql: String, _ parameters: [PostgresParameter] = []) async throws(PostgresError) -> Rows {
        try await run(.extended(sql, parameters)).last ?? .none
    }

    /// Runs one statement with parameters and returns how many rows it affected.
    ///
    /// - Throws: as ``query(_:_:)``.
    @discardableResult
    package func execute(_ sql: String, _ parameters: [PostgresParameter] = []) async throws(PostgresError) -> Int {
        try await query(sql, parameters).affected
    }

    /// Runs one or several statements without parameters, in one transaction unless they say otherwise.
    ///
    /// - Returns: what each statement returned.
    /// - Throws: as ``query(_:_:)``; nothing of the statements stays then.
    @discardableResult
    package func simple(_ sql: String) async throws(PostgresError) -> [Rows] {
        try await run(.simple(sql))
    }

    /// Runs a `COPY … TO STDOUT` and hands its bytes on, in pieces of whole rows of 64 KiB or a little more.
    ///
    /// The sink runs on the connection's thread, where it may block; while it does, the server waits.
    /// - Returns: how many rows were copied.
    /// - Throws: ``CopyOutError``, with the sink's own error if it threw; the statement is cancelled then.
    package func copyOut(
        _ sql: String, _ sink: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
    ) async throws(CopyOutError) -> Int {
        let session: LibpqSession
        do throws(PostgresError) { session = try usableSession() } catch { throw .server(error) }
        let cancellation = StatementCancellation(key: session.cancelKey, waker: session.waker)
        return try await withTaskCancellationHandler {
            perform { () throws(CopyOutError) in try session.copyOut(sql, cancellation: cancellation, into: sink) }
        } onCancel: {
            cancellation.request()
        }.get()
    }

    /// What the server said beside its answer to the last statement, warnings included.
    package var notices: [PostgresNotice] { session?.notices ?? [] }

    /// The server's current value of a setting that it reports by itself (`server_version`, `TimeZone` …; libpq 34.2).
    package func parameterStatus(_ name: String) -> String? {
        guard let session else { return nil }
        return PQparameterStatus(session.connection, name).map { String(cString: $0) }
    }

    // MARK: Transactions

    /// Where the session stands with transactions.
    package enum TransactionState: Sendable, Hashable {
        /// In none.
        case idle
        /// In one, and it is in order.
        case open
        /// In one that has failed; only `ROLLBACK` helps.
        case failed
        /// A statement runs, or there is no connection.
        case unknown
    }

    /// Where the session stands with transactions.
    package var transactionState: TransactionState {
        guard let session, session.isUsable else { return .unknown }
        return switch PQtransactionStatus(session.connection) {
        case PQTRANS_IDLE: .idle
        case PQTRANS_INTRANS: .open
        case PQTRANS_INERROR: .failed
        default: .unknown
        }
    }

    /// Whether statements can be sent. `true` says nothing of the next moment.
    package var isUsable: Bool { session?.isUsable ?? false }

    /// Runs a body in a transaction: commits when it returns, rolls back when it throws or the task is cancelled.
    ///
    /// The body runs where the caller does, so that it may use the caller's variables.
    /// - Parameter begin: the opening statement, such as `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`.
    /// - Throws: what the body threw, or why the commit failed. After a commit during which the connection was lost nobody
    ///   knows whether it took place.
    package nonisolated(nonsending) func transaction<Value>(
        _ begin: String = "BEGIN", _ body: () async throws(PostgresError) -> Value
    ) async throws(PostgresError) -> Value {
        do throws(PostgresError) {
            try await simple(begin)
            let value = try await body()
            // COMMIT of a failed transaction is no error for the server, which answers with another tag.
            guard try await query("COMMIT").commandTag == "COMMIT" else {
                throw PostgresError(
                    "a statement of the transaction had failed, so it was rolled back", sqlState: .inFailedTransaction)
            }
            return value
        } catch {
            await rollBack()
            throw error
        }
    }

    /// Rolls an open transaction back, also in a task that has been cancelled. A server that does not answer within
    /// seconds loses the connection, which rolls back just as well.
    package func rollBack() {
        guard let session, session.isUsable, transactionState != .idle else { return }
        do throws(PostgresError) {
            _ = try session.run(.simple("ROLLBACK"), deadline: .now + .seconds(10))
        } catch {
            close()
        }
    }

    // MARK: Inside

    private func run(_ statement: LibpqSession.Statement) async throws(PostgresError) -> [Rows] {
        let session = try usableSession()
        let cancellation = StatementCancellation(key: session.cancelKey, waker: session.waker)
        return try await withTaskCancellationHandler {
            perform { () throws(PostgresError) in try session.run(statement, cancellation: cancellation) }
        } onCancel: {
            cancellation.request()
        }.get()
    }

    /// Blocks on the connection's thread.
    ///
    /// A closure that does not use the actor itself would run on the cooperative pool; being a method of the actor, this keeps
    /// it where it belongs.
    private func perform<Value, Failure: Error>(_ work: () throws(Failure) -> Value) -> Result<Value, Failure> {
        thread.assertIsolated()
        return Result(catching: work)
    }

    private func usableSession() throws(PostgresError) -> LibpqSession {
        guard !Task.isCancelled else { throw .cancelled }
        guard let session, session.isUsable else {
            throw PostgresError("the connection to \(target.summary) is closed", isConnectionLost: true)
        }
        return session
    }
}
