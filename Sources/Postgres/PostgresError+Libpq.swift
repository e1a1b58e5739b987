import CLibpq

extension PostgresError {
    /// The error that a result carries.
    init(result: OpaquePointer, connection: OpaquePointer) {
        let code = field(result, .sqlState)
        let severity = field(result, .severity) ?? field(result, .localizedSeverity)
        self.init(
            field(result, .message) ?? oneLine(PQresultErrorMessage(result)),
            sqlState: code.map { SQLState(rawValue: $0) },
            detail: field(result, .detail),
            hint: field(result, .hint),
            severity: severity,
            // After FATAL the server hangs up, whether or not libpq has read that far.
            isConnectionLost: PQstatus(connection) == CONNECTION_BAD || severity == "FATAL" || severity == "PANIC")
        schema = field(result, .schema)
        table = field(result, .table)
        column = field(result, .column)
        dataType = field(result, .dataType)
        constraint = field(result, .constraint)
        position = field(result, .position).flatMap { Int($0) }
    }

    /// What libpq has to say about a connection on which something failed without a result.
    init(connection: OpaquePointer) {
        let message = oneLine(PQerrorMessage(connection))
        self.init(
            message.isEmpty ? "the connection failed" : message,
            isConnectionLost: PQstatus(connection) == CONNECTION_BAD)
    }

    /// Why a connection did not come about.
    ///
    /// libpq has no field for the server's code here, but writes it into the message at verbosity `VERBOSE`:
    /// `connection to server … failed: FATAL:  28P01: password authentication failed` and a `LOCATION` line.
    init(failedConnection connection: OpaquePointer) {
        let lines = String(cString: PQerrorMessage(connection)).split(whereSeparator: \.isNewline).map(trimmed)
        var messages: [String] = []
        var hints: [String] = []
        var details: [String] = []
        var sqlState: SQLState?
        for line in lines where !line.isEmpty && !line.hasPrefix("LOCATION:") {
            if line.hasPrefix("HINT:") {
                hints.append(trimmed(line.dropFirst(5)))
            } else if line.hasPrefix("DETAIL:") {
                details.append(trimmed(line.dropFirst(7)))
            } else if line.hasPrefix("Is the server running") {
                hints.append(line)
            } else if let split = Self.splitCode(line) {
                sqlState = split.code
                messages.append(split.rest)
            } else {
                messages.append(line)
            }
        }
        self.init(
            messages.isEmpty ? "the connection failed" : messages.joined(separator: "; "), sqlState: sqlState,
            detail: details.isEmpty ? nil : details.joined(separator: " "), hint: hints.last,
            severity: sqlState == nil ? nil : "FATAL", isConnectionLost: sqlState == nil)
    }

    /// Takes the code out of `… FATAL:  28P01: text`; the word before it may be translated.
    static func splitCode(_ line: String) -> (code: SQLState, rest: String)? {
        var words = line.split(separator: " ", omittingEmptySubsequences: false)
        let isCode = { (word: Substring) in
            word.utf8.count == 6 && word.last == ":"
                && word.dropLast().utf8.allSatisfy { (48...57).contains($0) || (65...90).contains($0) }
        }
        // The severity ends in a colon and two blanks follow, so an empty word stands before the code.
        guard
            let index = words.indices.first(where: { $0 >= 2 && words[$0 - 1].isEmpty && isCode(words[$0]) }),
            words[index - 2].last == ":"
        else { return nil }
        let code = SQLState(rawValue: String(words[index].dropLast()))
        words.removeSubrange((index - 2)...index)
        return (code, words.joined(separator: " "))
    }
}

extension PostgresNotice {
    /// The notice that a result carries.
    init(result: OpaquePointer) {
        self.init(
            severity: field(result, .severity) ?? "NOTICE",
            sqlState: SQLState(rawValue: field(result, .sqlState) ?? "00000"),
            message: field(result, .message) ?? oneLine(PQresultErrorMessage(result)),
            detail: field(result, .detail), hint: field(result, .hint))
    }
}

/// The field codes of `postgres_ext.h`: character constants there, which Swift does not import.
private enum DiagnosticField: Unicode.Scalar {
    case localizedSeverity = "S"
    case severity = "V"
    case sqlState = "C"
    case message = "M"
    case detail = "D"
    case hint = "H"
    case position = "P"
    case schema = "s"
    case table = "t"
    case column = "c"
    case dataType = "d"
    case constraint = "n"
}

private func field(_ result: OpaquePointer, _ field: DiagnosticField) -> String? {
    PQresultErrorField(result, Int32(field.rawValue.value)).map { String(cString: $0) }
}

/// libpq's messages end in a line break, and some have several lines.
private func oneLine(_ text: UnsafePointer<CChar>?) -> String {
    guard let text else { return "" }
    return String(cString: text).split(whereSeparator: \.isNewline).map(trimmed).filter { !$0.isEmpty }
        .joined(separator: "; ")
}

private func trimmed(_ text: some StringProtocol) -> String {
    var rest = text.drop { $0.isWhitespace }[...]
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return String(rest)
}
