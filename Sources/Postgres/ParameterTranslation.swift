/// Turns connection parameters, whoever's they are, into libpq's.
struct ParameterTranslation {
    /// Whether the parameters come from a URL, where `sslcert` has Prisma's meaning.
    let isURL: Bool
    /// What relative paths are relative to.
    let directory: String?

    private var keywords: [String: String] = [:]
    private var password: Secret?
    private var keyPassphrase: Secret?
    private var schema: String?
    private var viaPooler = false
    private var notices: [ConnectionNotice] = []
    private var certificate: String?
    private var certificateRule: String?

    /// The bundle that Debian keeps, and that Prisma's driver trusts; libpq before 16 has no word for it.
    private static let systemCertificates = "/etc/ssl/certs/ca-certificates.crt"

    /// What drivers and pools of applications need, and a session of ours does not.
    private static let dropped: [String: String] = {
        let pool = "it concerns the application's connection pool"
        let driver = "it concerns the application's driver"
        let limit = "a session of ours has its own limits"
        return [
            "connection_limit": pool, "pool_timeout": pool, "max_connection_lifetime": pool,
            "max_idle_connection_lifetime": pool, "statement_cache_size": pool, "single_use_connections": pool,
            "max": pool, "min": pool, "idleTimeoutMillis": pool, "connectionTimeoutMillis": pool, "pool_mode": pool,
            "socket_timeout": limit, "statement_timeout": limit, "query_timeout": limit, "lock_timeout": limit,
            "idle_in_transaction_session_timeout": limit, "uselibpqcompat": driver, "directUrl": driver,
            "api_key": driver, "supa": driver, "workaround": driver,
            "client_encoding": "every session of ours is UTF-8",
            "fallback_application_name": "a session of ours has its own name",
        ]
    }()

    init(isURL: Bool, directory: String?) {
        self.isURL = isURL
        self.directory = directory
    }

    // MARK: One parameter

    mutating func take(_ name: String, _ value: String) throws(ConnectionURLError) {
        switch name {
        case "password": password = Secret(value)
        case "sslpassword": keyPassphrase = Secret(value)
        case "schema":
            schema = value
            notices.append(.debug("schema became the search path of every session"))
        case "pgbouncer":
            guard Self.isTrue(value) else { return }
            viaPooler = true
            notices.append(
                .warning(
                    "pgbouncer=true: a transaction pooler breaks advisory locks, session settings and dumps; "
                        + "give the caretaker the address of the server itself"))
        case "sslmode": try takeMode(value)
        case "ssl" where isURL: try takeMode(Self.isTrue(value) ? "require" : Self.isFalse(value) ? "disable" : value)
        case "sslcert" where isURL: certificate = resolved(value, of: name)
        case "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir":
            keywords[name] = name == "sslrootcert" && value == "system" ? value : resolved(value, of: name)
        case "sslaccept": certificateRule = value
        case "sslidentity":
            throw ConnectionURLError(
                "sslidentity names a PKCS#12 bundle, which libpq cannot read",
                hint:
                    "Convert it with openssl pkcs12 into a certificate and a key, and give them as sslcert and sslkey.")
        case "replication":
            throw ConnectionURLError(
                "replication makes a connection that runs no ordinary statements", hint: "Remove it from the URL.")
        case "connect_timeout":
            guard let seconds = Int(value), seconds >= 0 else {
                throw ConnectionURLError("connect_timeout is not a whole number of seconds")
            }
            keywords[name] = String(seconds)
        case "port":
            let ports = value.split(separator: ",", omittingEmptySubsequences: false)
            guard ports.allSatisfy({ $0.isEmpty || ConnectionText.isPort(String($0)) }) else {
                throw ConnectionURLError("port is not a number from 1 to 65535")
            }
            keywords[name] = value
        default:
            if let reason = Self.dropped[name] {
                notices.append(.debug("\(name) was left out: \(reason)"))
            } else if LibpqKeywords.all.contains(name) {
                keywords[name] = value
            } else {
                throw Self.unknown(name)
            }
        }
    }

    private mutating func takeMode(_ value: String) throws(ConnectionURLError) {
        let known = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
        guard known.contains(value) else {
            let hint =
                value == "no-verify"
                ? "Use require, which encrypts without verifying, or verify-full with sslrootcert."
                : "Use one of \(known.joined(separator: ", "))."
            throw ConnectionURLError("sslmode \"\(value)\" is unknown to libpq", hint: hint)
        }
        keywords["sslmode"] = value
    }

    /// A path as libpq needs it, which resolves relative ones against the daemon's working directory.
    private mutating func resolved(_ path: String, of name: String) -> String {
        guard !path.hasPrefix("/"), !path.hasPrefix("~") else { return path }
        guard let directory else {
            notices.append(.warning("\(name) is a relative path; write it as an absolute one"))
            return path
        }
        var relative = Substring(path)
        while relative.hasPrefix("./") { relative = relative.dropFirst(2) }
        return directory + (directory.hasSuffix("/") ? "" : "/") + relative
    }

    private static func isTrue(_ value: String) -> Bool { ["true", "1", "yes", "on"].contains(value.lowercased()) }
    private static func isFalse(_ value: String) -> Bool { ["false", "0", "no", "off"].contains(value.lowercased()) }

    // MARK: All together

    func target() throws(ConnectionURLError) -> ConnectionTarget {
        var result = self
        result.applyCertificate()
        result.applyCertificateRule()
        if keyPassphrase != nil {
            result.notices.append(
                .warning("sslpassword cannot be handed to pg_dump; give the key of the certificate no pass phrase"))
        }
        return ConnectionTarget(
            keywords: result.keywords, password: password, keyPassphrase: keyPassphrase, schema: schema,
            viaPooler: viaPooler, notices: result.notices)
    }

    /// Prisma's `sslcert` is the authority's certificate; libpq's is the client's own, which comes with an `sslkey`.
    private mutating func applyCertificate() {
        guard let certificate else { return }
        guard keywords["sslkey"] == nil else {
            keywords["sslcert"] = certificate
            return
        }
        if let other = keywords["sslrootcert"], other != certificate {
            notices.append(.warning("sslcert goes before sslrootcert: without an sslkey it names the root certificate"))
        } else {
            notices.append(.debug("sslcert became sslrootcert: without an sslkey it names the root certificate"))
        }
        keywords["sslrootcert"] = certificate
    }

    private mutating func applyCertificateRule() {
        guard let rule = certificateRule, keywords["sslmode"] != "disable" else { return }
        if rule == "accept_invalid_certs" {
            keywords["sslmode"] = "require"
            // With a root certificate at hand, libpq verifies at "require" too.
            keywords["sslrootcert"] = nil
            notices.append(
                .warning("sslaccept=accept_invalid_certs: whoever is in between can pretend to be the server"))
        } else {
            keywords["sslmode"] = "verify-full"
            if keywords["sslrootcert"] == nil { keywords["sslrootcert"] = Self.systemCertificates }
            notices.append(.debug("sslaccept became sslmode=verify-full"))
        }
    }

    // MARK: Unknown ones

    private static func unknown(_ name: String) -> ConnectionURLError {
        // A name with other characters is no name, perhaps a piece of a password: it is not repeated.
        guard
            (1...40).contains(name.utf8.count),
            name.utf8.allSatisfy({ byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 95
            })
        else {
            return ConnectionURLError(
                "a parameter of the connection URL has no proper name", hint: ConnectionURLError.percentEncode)
        }
        if let version = LibpqKeywords.sinceVersion[name] {
            return ConnectionURLError(
                "connection parameter \"\(name)\" needs libpq \(version)", hint: "Remove it, or install a newer libpq5."
            )
        }
        let known = LibpqKeywords.all.union(dropped.keys).union([
            "schema", "pgbouncer", "sslaccept", "sslidentity", "ssl",
        ])
        let nearest = known.sorted().min { distance(name, $0) < distance(name, $1) }
        return ConnectionURLError(
            "unknown connection parameter \"\(name)\"",
            hint: nearest.map { "The nearest that is known is \"\($0)\"; remove the parameter if it is not needed." })
    }

    /// Levenshtein's distance, upper and lower case alike.
    private static func distance(_ one: String, _ other: String) -> Int {
        let one = Array(one.lowercased().utf8)
        let other = Array(other.lowercased().utf8)
        var row = Array(0...other.count)
        for (index, byte) in one.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in other.indices {
                let substituted = diagonal + (byte == other[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(substituted, row[column] + 1, diagonal + 1)
            }
        }
        return row[other.count]
    }
}
