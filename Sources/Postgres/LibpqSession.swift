import CLibpq
import Glibc

/// A libpq connection with its ways of waiting. It blocks, and belongs to one thread at a time.
///
/// Every wait is a `poll(2)` on the socket and a bell, so that cancellation is heard while the server is silent.
final class LibpqSession {
    /// What a statement is sent as.
    enum Statement {
        /// The extended protocol: one statement, with parameters.
        case extended(String, [PostgresParameter])
        /// The simple protocol: several statements in one implicit transaction.
        case simple(String)
    }

    /// Where notices go while libpq calls back through a C function pointer.
    final class NoticeBox {
        var notices: [PostgresNotice] = []
    }

    let connection: OpaquePointer
    let waker: Waker
    private let box = NoticeBox()
    private let cancelPatience: Duration
    private(set) var cancelKey: CancelKey?

    /// What the server said beside its answers since the last statement began.
    var notices: [PostgresNotice] { box.notices }

    /// Takes over a connection, whatever its state.
    init(connection: OpaquePointer, waker: Waker, cancelPatience: Duration) {
        self.connection = connection
        self.waker = waker
        self.cancelPatience = cancelPatience
        // The box lives as long as the connection: both go with this object, the connection first (deinit).
        PQsetNoticeReceiver(
            connection,
            { context, result in
                guard let context, let result else { return }
                let box = Unmanaged<NoticeBox>.fromOpaque(context).takeUnretainedValue()
                // A function that raises a notice per row must not fill our memory.
                guard box.notices.count < 1000 else { return }
                box.notices.append(PostgresNotice(result: result))
            }, Unmanaged.passUnretained(box).toOpaque())
    }

    deinit {
        PQfinish(connection)
    }

    /// To be called once the login has succeeded.
    func loggedIn() throws(PostgresError) {
        PQsetErrorVerbosity(connection, PQERRORS_DEFAULT)
        guard PQsetnonblocking(connection, 1) == 0 else { throw PostgresError(connection: connection) }
        cancelKey = CancelKey(of: connection)
    }

    /// Runs statements to their end and returns every result.
    ///
    /// - Parameters:
    ///   - deadline: when to give the connection up, for statements that no cancellation ends.
    /// - Throws: the first error; the later results of the same call have been read and dropped.
    func run(
        _ statement: Statement, cancellation: StatementCancellation? = nil, deadline: ContinuousClock.Instant? = nil
    ) throws(PostgresError) -> [Rows] {
        var answers: [Rows] = []
        var failure: PostgresError?
        try send(statement, cancellation, deadline)
        while let result = try nextResult(cancellation, deadline) {
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
                answers.append(Rows(result: result))
            case PGRES_COPY_IN, PGRES_COPY_BOTH:
                PQputCopyEnd(connection, "COPY FROM STDIN is not what this call is for")
            case PGRES_COPY_OUT:
                failure = failure ?? PostgresError("COPY TO STDOUT is not what this call is for")
                try discardCopy(cancellation, deadline)
            default:
                failure = failure ?? PostgresError(result: result, connection: connection)
            }
        }
        try settle(cancellation)
        if let failure { throw refine(failure, cancellation) }
        return answers
    }

    /// Runs a `COPY … TO STDOUT`, handing on chunks of whole rows of 64 KiB or more (the last one less).
    ///
    /// - Returns: how many rows were copied.
    /// - Throws: ``CopyOutError``; if the sink throws, the statement is cancelled.
    func copyOut(
        _ sql: String, cancellation: StatementCancellation, into sink: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) throws(CopyOutError) -> Int {
        var copy = CopyReceiver(sink: sink)
        var rowCount = 0
        var failure: PostgresError?
        do throws(PostgresError) {
            try send(.extended(sql, []), cancellation, nil)
            while let result = try nextResult(cancellation, nil) {
                defer { PQclear(result) }
                switch PQresultStatus(result) {
                case PGRES_COPY_OUT:
                    while let row = try nextCopyRow(cancellation, nil) {
                        copy.receive(row)
                        PQfreemem(UnsafeMutableRawPointer(mutating: row.baseAddress))
                        // The rest is of no use to anybody: stop the server, then read off what is on its way.
                        if copy.failure != nil { cancellation.request() }
                    }
                case PGRES_COMMAND_OK:
                    rowCount = Rows(result: result).affected
                case PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
                    failure = failure ?? PostgresError("the statement is no COPY TO STDOUT")
                case PGRES_COPY_IN, PGRES_COPY_BOTH:
                    PQputCopyEnd(connection, "COPY FROM STDIN is not what this call is for")
                default:
                    failure = failure ?? PostgresError(result: result, connection: connection)
                }
            }
            try settle(cancellation)
            if let failure { throw refine(failure, cancellation) }
        } catch {
            throw copy.failure.map(CopyOutError.sink) ?? .server(error)
        }
        copy.handOn()
        if let failure = copy.failure { throw .sink(failure) }
        return rowCount
    }

    // MARK: Sending and receiving

    private func send(
        _ statement: Statement, _ cancellation: StatementCancellation?, _ deadline: ContinuousClock.Instant?
    ) throws(PostgresError) {
        box.notices.removeAll()
        let accepted: Int32
        switch statement {
        case .simple(let sql):
            try Self.refuseNUL(sql)
            accepted = PQsendQuery(connection, sql)
        case .extended(let sql, let parameters):
            try Self.refuseNUL(sql)
            let texts = parameters.map(\.wireText)
            for text in texts { if let text { try Self.refuseNUL(text) } }
            accepted = withCStrings(texts) { values in
                PQsendQueryParams(connection, sql, Int32(values.count), nil, values.baseAddress, nil, nil, 0)
            }
        }
        guard accepted == 1 else { throw PostgresError(connection: connection) }
        while true {
            switch PQflush(connection) {
            case 0: return
            case 1:
                // Also read: a server that is itself waiting to write would wait for us for ever.
                let events = try awaitServer(Int32(POLLIN) | Int32(POLLOUT), cancellation, deadline)
                if events & ~Int32(POLLOUT) != 0 { try consume() }
            default: throw PostgresError(connection: connection)
            }
        }
    }

    private func nextResult(
        _ cancellation: StatementCancellation?, _ deadline: ContinuousClock.Instant?
    ) throws(PostgresError) -> OpaquePointer? {
        while PQisBusy(connection) != 0 {
            if try awaitServer(Int32(POLLIN), cancellation, deadline) != 0 { try consume() }
        }
        return PQgetResult(connection)
    }

    private func discardCopy(
        _ cancellation: StatementCancellation?, _ deadline: ContinuousClock.Instant?
    ) throws(PostgresError) {
        while let row = try nextCopyRow(cancellation, deadline) {
            PQfreemem(UnsafeMutableRawPointer(mutating: row.baseAddress))
        }
    }

    /// The next row of a COPY, to be freed with `PQfreemem`; `nil` at its end, in error or not: the result tells.
    private func nextCopyRow(
        _ cancellation: StatementCancellation?, _ deadline: ContinuousClock.Instant?
    ) throws(PostgresError) -> UnsafeRawBufferPointer? {
        while true {
            var buffer: UnsafeMutablePointer<CChar>?
            let length = PQgetCopyData(connection, &buffer, 1)
            if length > 0 { return UnsafeRawBufferPointer(start: buffer, count: Int(length)) }
            if length < 0 { return nil }
            if try awaitServer(Int32(POLLIN), cancellation, deadline) != 0 { try consume() }
        }
    }

    private func consume() throws(PostgresError) {
        // On failure libpq first hands out what it has read (the server's last words); PQgetResult tells them.
        if PQconsumeInput(connection) == 0, PQstatus(connection) != CONNECTION_BAD {
            let error = PostgresError(connection: connection)
            abandon()
            throw error
        }
    }

    /// Waits for the socket; 0 when woken for another reason.
    private func awaitServer(
        _ events: Int32, _ cancellation: StatementCancellation?, _ deadline: ContinuousClock.Instant?
    ) throws(PostgresError) -> Int32 {
        let socket = PQsocket(connection)
        guard socket >= 0 else { throw PostgresError(connection: connection) }
        let patienceEnds = cancellation?.requestedAt.map { $0 + cancelPatience }
        let limit = [deadline, patienceEnds].compactMap(\.self).min()
        let ready = awaitSocket(events, on: socket, or: waker, until: limit)
        if ready == 0, let limit, limit <= .now {
            abandon()
            throw PostgresError(
                "the server did not answer in time, the connection was given up", isConnectionLost: true,
                isCancelled: cancellation?.requestedAt != nil)
        }
        return ready
    }

    /// Waits until a request to cancel can no longer hit the statement after this one.
    ///
    /// The request returns once the server has signalled the session, and the server forgets a signal that finds it idle.
    private func settle(_ cancellation: StatementCancellation?) throws(PostgresError) {
        guard let cancellation else { return }
        cancellation.finish()
        guard let requestedAt = cancellation.requestedAt else { return }
        let limit = requestedAt + cancelPatience
        while cancellation.isBeingSent {
            guard limit > .now else {
                abandon()
                throw PostgresError(
                    "a request to cancel is still on its way, the connection was given up", isConnectionLost: true,
                    isCancelled: true)
            }
            // Only the bell counts here; poll(2) passes over a negative descriptor.
            _ = awaitSocket(0, on: -1, or: waker, until: limit)
        }
    }

    /// Makes the connection unusable without waiting for anybody; `PQstatus` is bad from now on.
    private func abandon() {
        isAbandoned = true
        shutdown(PQsocket(connection), Int32(SHUT_RDWR))
    }

    private(set) var isAbandoned = false

    /// Whether statements can be sent.
    var isUsable: Bool { !isAbandoned && PQstatus(connection) == CONNECTION_OK }

    /// Tells a cancellation of ours from one of the server's.
    private func refine(_ error: PostgresError, _ cancellation: StatementCancellation?) -> PostgresError {
        guard cancellation?.requestedAt != nil, error.sqlState == .queryCanceled else { return error }
        return .cancelled
    }

    private static func refuseNUL(_ text: String) throws(PostgresError) {
        guard !text.utf8.contains(0) else { throw PostgresError("a text contains NUL, which PostgreSQL cannot take") }
    }
}
