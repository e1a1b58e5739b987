/// Where to connect and as whom, in libpq's own words.
///
/// What a URL does not say stays unsaid, so that libpq's defaults hold: the `PG…` environment, `.pgpass`, a service file, the
/// local socket and peer authentication.
package struct ConnectionTarget: Sendable, Hashable {
    /// libpq's connection keywords (libpq 34.1.2) without any secret.
    package private(set) var keywords: [String: String]
    /// The password; `nil` leaves it to `.pgpass`, `PGPASSWORD` or a method that needs none.
    package private(set) var password: Secret?
    /// The pass phrase of the client's TLS key (`sslpassword`).
    package private(set) var keyPassphrase: Secret?
    /// The schema that Prisma's `schema` parameter names: the search path of every session.
    package private(set) var schema: String?
    /// Whether the URL says that a pooler is in between (`pgbouncer=true`): no advisory locks, no dump through it.
    package private(set) var viaPooler: Bool
    /// What was mapped, dropped or should be known.
    package private(set) var notices: [ConnectionNotice]

    /// A target of known parts.
    ///
    /// - Parameter keywords: libpq's keywords; a `password` or `sslpassword` among them becomes a secret.
    package init(
        keywords: [String: String], password: Secret? = nil, keyPassphrase: Secret? = nil, schema: String? = nil,
        viaPooler: Bool = false, notices: [ConnectionNotice] = []
    ) {
        var keywords = keywords
        let openPassword = keywords.removeValue(forKey: "password")
        let openPassphrase = keywords.removeValue(forKey: "sslpassword")
        self.keywords = keywords
        self.password = password ?? openPassword.map(Secret.init)
        self.keyPassphrase = keyPassphrase ?? openPassphrase.map(Secret.init)
        self.schema = schema
        self.viaPooler = viaPooler
        self.notices = notices
    }

    /// The database; `nil` leaves it to libpq (`PGDATABASE`, else the user's name).
    package var database: String? { keywords["dbname"] }

    /// The role; `nil` leaves it to libpq (`PGUSER`, else the operating system's user).
    package var user: String? { keywords["user"] }

    /// The same server and role, another database.
    package func with(database: String) -> ConnectionTarget {
        var target = self
        target.keywords["dbname"] = database
        return target
    }

    /// The same server and database, another role.
    package func with(user: String, password: Secret?) -> ConnectionTarget {
        var target = self
        target.keywords["user"] = user
        target.password = password
        return target
    }

    /// Database and server for people, without user and password: `school_erp at db.example.org:5433`.
    package var summary: String {
        let database = keywords["dbname"] ?? "the default database"
        if let hosts = keywords["host"] ?? keywords["hostaddr"] {
            let ports = keywords["port"].map(Self.list) ?? []
            let places = Self.list(hosts).enumerated().map { index, host in
                let port = ports.count == 1 ? ports[0] : index < ports.count ? ports[index] : ""
                let place = host.isEmpty ? "the local socket" : host.contains(":") ? "[\(host)]" : host
                return port.isEmpty ? place : "\(place):\(port)"
            }
            return "\(database) at \(places.joined(separator: ", "))"
        }
        if let service = keywords["service"] { return "\(database) of service \(service)" }
        return "\(database) at the local socket" + (keywords["port"].map { ":\($0)" } ?? "")
    }

    /// How many hosts libpq tries, one after the other.
    var hostCount: Int {
        max(1, keywords["hostaddr"].map { Self.list($0).count } ?? 1, keywords["host"].map { Self.list($0).count } ?? 1)
    }

    /// What a login of ours gives to libpq.
    ///
    /// - Parameter skipped: how many hosts at the front of the list to leave out.
    func loginParameters(options: SessionOptions, skippingHosts skipped: Int) -> [(name: String, value: String)] {
        var parameters = keywords
        if skipped > 0 {
            for name in ["host", "hostaddr", "port"] {
                guard let value = parameters[name] else { continue }
                let entries = Self.list(value)
                // A single port is that of every host.
                if name == "port", entries.count == 1 { continue }
                parameters[name] = entries.dropFirst(skipped).joined(separator: ",")
            }
        }
        // PQconnectPoll ignores it; the login watches the time itself.
        parameters["connect_timeout"] = nil
        parameters["client_encoding"] = "UTF8"
        parameters["application_name"] =
            [keywords["application_name"], options.applicationName].compactMap(\.self).filter { !$0.isEmpty }
            .joined(separator: " ")
        // A peer that vanishes without a word is noticed within a minute or so, not after the two hours of the system.
        for (name, value) in [
            ("keepalives_idle", "30"), ("keepalives_interval", "10"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "60000"),
        ] where parameters[name] == nil {
            parameters[name] = value
        }
        parameters["password"] = password?.reveal()
        parameters["sslpassword"] = keyPassphrase?.reveal()
        return parameters.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private static func list(_ value: String) -> [String] {
        value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
}

extension ConnectionTarget: CustomStringConvertible {
    /// The summary.
    package var description: String { summary }
}
