extension ConnectionTarget {
    /// What a child (pg_dump, pg_restore, psql) takes as `--dbname`: all but the secrets, as a `key=value` string.
    ///
    /// Arguments can be seen by everybody, so the password goes another way: ``passfileContents`` and
    /// ``childEnvironment(passfile:inheriting:)``. Unlike variables, this string goes before a service file: without it
    /// a `PGSERVICE` that names another database would win.
    package var connectionString: String {
        keywords.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.quoted($0.value))" }.joined(separator: " ")
    }

    /// The environment by which a child of libpq reaches this target, without the password.
    ///
    /// - Parameters:
    ///   - passfile: a private file with ``passfileContents``; `nil` leaves the choice to libpq (`~/.pgpass`).
    ///   - environment: our own environment, of which a child gets what libpq reads, and `HOME`. `PGPASSWORD` among it is
    ///     kept only if the target brings no password along.
    /// - Returns: the whole environment of the child as far as libpq is concerned; the caller adds `PATH`, `LC_ALL` and such.
    package func childEnvironment(
        passfile: String?, inheriting environment: [String: String] = [:]
    ) -> [String: String] {
        var result = environment.filter { name, _ in
            Self.inherited.contains(name) || name.hasPrefix("PGSSL") || name.hasPrefix("PGGSS")
        }
        for (keyword, variable) in Self.variables {
            if let value = keywords[keyword] { result[variable] = value }
        }
        if let passfile { result["PGPASSFILE"] = passfile }
        if let schema, !viaPooler {
            // Programs that look names up (psql) see the schema that the application sees; pg_dump sets its own path.
            let option = "-c search_path=" + Self.escapedForOptions(quoteIdentifier(schema))
            result["PGOPTIONS"] = [result["PGOPTIONS"], option].compactMap(\.self).joined(separator: " ")
        }
        if let password {
            // A password file has one line per password. Only one that does not fit on a line goes into the environment of
            // this one child.
            result["PGPASSWORD"] = passfileContents == nil ? password.reveal() : nil
        }
        return result
    }

    /// What a private password file must contain (libpq 34.16); `nil` if there is no password, or one with line breaks in
    /// it, which goes into the child's environment instead.
    ///
    /// The line holds for every host, database and role, because the file is for this one child; so it also works with
    /// sockets, several hosts and service files.
    package var passfileContents: Secret? {
        guard let text = password?.reveal(), !text.unicodeScalars.contains("\n"), text.unicodeScalars.last != "\r"
        else {
            return nil
        }
        var escaped = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if scalar == "\\" || scalar == ":" { escaped.append("\\") }
            escaped.append(scalar)
        }
        return Secret("*:*:*:*:\(String(escaped))\n")
    }

    /// The variables of libpq 34.15, by keyword.
    private static let variables = [
        "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER",
        "passfile": "PGPASSFILE", "channel_binding": "PGCHANNELBINDING", "service": "PGSERVICE", "options": "PGOPTIONS",
        "application_name": "PGAPPNAME", "sslmode": "PGSSLMODE", "sslcompression": "PGSSLCOMPRESSION",
        "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslrootcert": "PGSSLROOTCERT", "sslcrl": "PGSSLCRL",
        "sslcrldir": "PGSSLCRLDIR", "sslsni": "PGSSLSNI", "requirepeer": "PGREQUIREPEER",
        "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION", "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
        "gssencmode": "PGGSSENCMODE", "krbsrvname": "PGKRBSRVNAME", "gsslib": "PGGSSLIB",
        "connect_timeout": "PGCONNECT_TIMEOUT", "target_session_attrs": "PGTARGETSESSIONATTRS",
        "require_auth": "PGREQUIREAUTH", "sslcertmode": "PGSSLCERTMODE", "sslnegotiation": "PGSSLNEGOTIATION",
        "load_balance_hosts": "PGLOADBALANCEHOSTS", "gssdelegation": "PGGSSDELEGATION",
        "min_protocol_version": "PGMINPROTOCOLVERSION", "max_protocol_version": "PGMAXPROTOCOLVERSION",
    ]

    /// What else libpq reads of an environment.
    private static let inherited: Set<String> = Set(variables.values).union([
        "HOME", "PGPASSWORD", "PGSERVICEFILE", "PGSYSCONFDIR", "PGLOCALEDIR", "KRB5CCNAME", "KRB5_CONFIG",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR", "OPENSSL_CONF",
    ])

    private static func quoted(_ value: String) -> String {
        var result = "'"
        for scalar in value.unicodeScalars {
            if scalar == "\\" || scalar == "'" { result.unicodeScalars.append("\\") }
            result.unicodeScalars.append(scalar)
        }
        return result + "'"
    }

    /// Blanks separate options, backslashes keep them together (libpq 34.1.2, `options`).
    private static func escapedForOptions(_ value: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in value.unicodeScalars {
            if scalar == "\\" || scalar.properties.isWhitespace { result.append("\\") }
            result.append(scalar)
        }
        return String(result)
    }
}
