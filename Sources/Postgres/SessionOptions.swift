/// How a session with the server is set up.
package struct SessionOptions: Sendable, Hashable {
    /// What `pg_stat_activity` shows; a name that the target brings along stands before it.
    package var applicationName = "pgcaretaker"
    /// How long to wait for each host to let us in. A `connect_timeout` of the target goes first; zero there means for ever.
    package var connectTimeout: Duration = .seconds(10)
    /// How long a statement may wait for a lock (`lock_timeout`); `nil` leaves the role's setting.
    package var lockTimeout: Duration?
    /// How long a statement may take (`statement_timeout`); `nil` leaves the role's setting.
    package var statementTimeout: Duration?
    /// How long to wait for a server to answer to a cancellation before the connection is given up.
    package var cancelPatience: Duration = .seconds(10)
    /// Further settings for `SET`, name to value.
    package var settings: [String: String] = [:]

    /// The ordinary session; change what should differ.
    package init() {}

    /// A session with limits.
    package init(
        applicationName: String = "pgcaretaker", connectTimeout: Duration = .seconds(10), lockTimeout: Duration? = nil,
        statementTimeout: Duration? = nil, settings: [String: String] = [:]
    ) {
        self.applicationName = applicationName
        self.connectTimeout = connectTimeout
        self.lockTimeout = lockTimeout
        self.statementTimeout = statementTimeout
        self.settings = settings
    }

    /// The statements that make a session what every one of ours is, whatever role, database and server say.
    ///
    /// They go as SQL after the login rather than as startup parameters, because poolers refuse the latter.
    func setup(schema: String?) -> String {
        var values: [(name: String, value: String)] = [
            // Zone-less columns hold UTC (or what `timestamps` says), and must not be compared in the server's zone.
            ("TimeZone", "UTC"), ("DateStyle", "ISO, MDY"), ("standard_conforming_strings", "on"),
            // A role may silence notices; the warning that says "skipping" must arrive.
            ("client_min_messages", "notice"),
        ]
        if let schema { values.append(("search_path", quoteIdentifier(schema))) }
        if let lockTimeout { values.append(("lock_timeout", Self.milliseconds(lockTimeout))) }
        if let statementTimeout { values.append(("statement_timeout", Self.milliseconds(statementTimeout))) }
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) { values.append((name, value)) }
        let calls = values.map { "set_config(\(quoteLiteral($0.name)), \(quoteLiteral($0.value)), false)" }
        return "SELECT " + calls.joined(separator: ", ")
    }

    /// A limit as the server takes it; never 0, which would mean none.
    private static func milliseconds(_ duration: Duration) -> String {
        String(min(Int64(Int32.max), max(1, Int64(duration / .milliseconds(1)))))
    }
}
