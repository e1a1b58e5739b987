import Testing

@testable import Postgres

@Suite struct SecretTests {
    @Test("a secret cannot be printed by accident")
    func unprintable() {
        let secret = Secret("geheim")
        var dumped = ""
        dump(["x": secret], to: &dumped)
        for text in ["\(secret)", String(describing: secret), String(reflecting: secret), "\([secret])", dumped] {
            #expect(!text.contains("geheim"))
        }
        #expect("\(secret)" == "<secret>")
        #expect(secret.reveal() == "geheim")
    }
}

@Suite struct SQLStateTests {
    @Test("a code matches exactly or by its class")
    func matching() {
        let code: SQLState = "23503"
        #expect(code == .foreignKeyViolation && code != .uniqueViolation)
        #expect(code.class == .integrityConstraintViolation)
        var hits: [String] = []
        for code: SQLState in ["40001", "40P01", "55P03", "57014"] {
            switch code {
            case .deadlockDetected: hits.append("deadlock")
            case SQLState.Class.transactionRollback: hits.append("rollback")
            case .lockNotAvailable: hits.append("lock")
            default: hits.append("other")
            }
        }
        #expect(hits == ["rollback", "deadlock", "lock", "other"])
    }

    @Test(
        "what is worth another try",
        arguments: [
            (.deadlockDetected, true), (.serializationFailure, true), (.lockNotAvailable, true), (.adminShutdown, true),
            (.cannotConnectNow, true), (.tooManyConnections, true), ("08006", true), (.protocolViolation, false),
            (.queryCanceled, false), (.diskFull, false), (.invalidPassword, false), (.undefinedDatabase, false),
            (.foreignKeyViolation, false), (.insufficientPrivilege, false),
        ] as [(SQLState, Bool)])
    func retry(code: SQLState, isWorthIt: Bool) {
        #expect(PostgresError("x", sqlState: code).isWorthRetrying == isWorthIt)
    }

    @Test("a connection that was never reached is worth another try, a cancelled task is not")
    func retryWithoutCode() {
        #expect(PostgresError("x", isConnectionLost: true).isWorthRetrying)
        #expect(!PostgresError("x", isConnectionLost: true, isCancelled: true).isWorthRetrying)
        #expect(!PostgresError("x").isWorthRetrying)
        #expect(!PostgresError.cancelled.isWorthRetrying)
    }

    @Test(
        "the code is taken out of a failed login's message, in whichever language",
        arguments: [
            (
                "connection to server at \"h\" (::1), port 5432 failed: FATAL:  28P01: password authentication failed",
                "28P01",
                "connection to server at \"h\" (::1), port 5432 failed: password authentication failed"
            ),
            ("SCHWERWIEGEND:  3D000: Datenbank »x:  12345: y« fehlt", "3D000", "Datenbank »x:  12345: y« fehlt"),
            ("could not translate host name \"ABCDE: x\" to address: Name or service not known", nil, nil),
            ("", nil, nil),
        ] as [(String, String?, String?)])
    func codeInMessage(line: String, code: String?, rest: String?) {
        let split = PostgresError.splitCode(line)
        #expect(split?.code.rawValue == code)
        #expect(split?.rest == rest)
    }

    @Test("an error is one line with code, detail and hint")
    func description() {
        let error = PostgresError("it failed", sqlState: "23503", detail: "Key exists.", hint: "Do this.")
        #expect("\(error)" == "it failed (SQLSTATE 23503); Key exists.; hint: Do this.")
    }
}
