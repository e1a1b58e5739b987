import Postgres
import Testing

@Suite struct ConnectionURLTests {
    /// A text and what must come of it.
    struct Case: Sendable, CustomTestStringConvertible {
        let url: String
        var keywords: [String: String] = [:]
        var password: String?
        var schema: String?
        var pooled = false
        /// What one of the notices must contain, its level first; none may come if there is none here.
        var notice: (ConnectionNotice.Level, String)?
        var testDescription: String { url }
    }

    private static let base = ["host": "db.example.org", "user": "app", "dbname": "erp"]
    private static let plain = "postgresql://app@db.example.org/erp"

    private static func with(_ more: [String: String]) -> [String: String] { base.merging(more) { $1 } }

    static let forms: [Case] = [
        Case(url: "postgresql:///school_erp", keywords: ["dbname": "school_erp"]),
        Case(url: "postgresql://", keywords: [:]),
        Case(url: "postgres://app@db.example.org/erp", keywords: base),
        Case(url: "PostgreSQL://app@db.example.org/erp", keywords: base),
        Case(url: "postgresql://app:pw@db.example.org:5433/erp", keywords: with(["port": "5433"]), password: "pw"),
        Case(url: "postgresql://localhost", keywords: ["host": "localhost"]),
        Case(url: "postgresql://localhost/", keywords: ["host": "localhost"]),
        Case(url: "postgresql://app:@db.example.org/erp", keywords: base),
        // Percent-encoding, and what people forget to encode that works in Prisma too.
        Case(
            url: "postgresql://a%40b:p%40ss%3A%2F%3F%23%25w%C3%B6rd@db.example.org/my%20db",
            keywords: ["host": "db.example.org", "user": "a@b", "dbname": "my db"], password: "p@ss:/?#%wörd"),
        Case(url: "postgresql://app:p@ss@db.example.org/erp", keywords: base, password: "p@ss"),
        Case(url: "postgresql://app:a:b@db.example.org/erp", keywords: base, password: "a:b"),
        Case(url: "postgresql://app:100%@db.example.org/erp", keywords: base, password: "100%"),
        Case(url: "postgresql://app:5%zz%4@db.example.org/erp", keywords: base, password: "5%zz%4"),
        Case(url: "postgresql://app:a+b#c@db.example.org/erp", keywords: base, password: "a+b#c"),
        // Sockets, IPv6, several hosts.
        Case(
            url: "postgresql://app@localhost/erp?host=/run/postgresql",
            keywords: ["host": "/run/postgresql", "user": "app", "dbname": "erp"]),
        Case(
            url: "postgresql://app@%2Frun%2Fpostgresql/erp",
            keywords: ["host": "/run/postgresql", "user": "app", "dbname": "erp"]),
        Case(url: "postgresql:///erp?host=/run/postgresql", keywords: ["host": "/run/postgresql", "dbname": "erp"]),
        Case(
            url: "postgresql://app@[2001:db8::1]:5433/erp",
            keywords: ["host": "2001:db8::1", "port": "5433", "user": "app", "dbname": "erp"]),
        Case(url: "postgresql://[::1]/erp", keywords: ["host": "::1", "dbname": "erp"]),
        Case(
            url: "postgresql://app@a.example:1,b.example,[::1]:3/erp?target_session_attrs=read-write",
            keywords: [
                "host": "a.example,b.example,::1", "port": "1,,3", "user": "app", "dbname": "erp",
                "target_session_attrs": "read-write",
            ]),
        Case(
            url: "postgresql://?host=a&port=5433&user=u&password=p%26w&dbname=d",
            keywords: ["host": "a", "port": "5433", "user": "u", "dbname": "d"], password: "p&w"),
        Case(url: "postgresql://?service=erp", keywords: ["service": "erp"]),
        // Quotes and blanks that come along from an .env file.
        Case(url: "\"postgresql://app@db.example.org/erp\"", keywords: base),
        Case(url: " 'postgresql://app@db.example.org/erp' \n", keywords: base),
        // libpq's other form, in which its own words have its own meaning.
        Case(url: "host=db.example.org user=app dbname=erp", keywords: base),
        Case(
            url: "host = db.example.org  user='app' password='it\\'s a \\\\ secret' dbname=erp", keywords: base,
            password: "it's a \\ secret"),
        Case(url: "service=erp password=a\\ b", keywords: ["service": "erp"], password: "a b"),
        Case(url: "dbname=erp schema=app", keywords: ["dbname": "erp"], schema: "app", notice: (.debug, "search path")),
        Case(url: "host=h sslcert=/c.crt", keywords: ["host": "h", "sslcert": "/c.crt"]),
    ]

    static let parameters: [Case] = [
        Case(url: plain + "?schema=school", keywords: base, schema: "school", notice: (.debug, "search path")),
        Case(url: plain + "?schema=My%20App", keywords: base, schema: "My App", notice: (.debug, "search path")),
        Case(url: plain + "?schema=My+App", keywords: base, schema: "My App", notice: (.debug, "search path")),
        Case(url: plain + "?schema=", keywords: base),
        Case(url: plain + "?connection_limit=5", keywords: base, notice: (.debug, "connection_limit was left out")),
        Case(url: plain + "?pool_timeout=10", keywords: base, notice: (.debug, "pool_timeout")),
        Case(url: plain + "?max_connection_lifetime=1", keywords: base, notice: (.debug, "max_connection_lifetime")),
        Case(url: plain + "?max_idle_connection_lifetime=1", keywords: base, notice: (.debug, "max_idle_connection")),
        Case(url: plain + "?statement_cache_size=0", keywords: base, notice: (.debug, "statement_cache_size")),
        Case(url: plain + "?pgbouncer=true", keywords: base, pooled: true, notice: (.warning, "pooler")),
        Case(url: plain + "?pgbouncer=false", keywords: base),
        Case(url: plain + "?socket_timeout=5", keywords: base, notice: (.debug, "socket_timeout")),
        Case(url: plain + "?connect_timeout=0", keywords: with(["connect_timeout": "0"])),
        Case(url: plain + "?connect_timeout=30", keywords: with(["connect_timeout": "30"])),
        Case(url: plain + "?sslmode=disable", keywords: with(["sslmode": "disable"])),
        Case(url: plain + "?sslmode=prefer", keywords: with(["sslmode": "prefer"])),
        Case(url: plain + "?sslmode=require", keywords: with(["sslmode": "require"])),
        Case(url: plain + "?sslmode=verify-full", keywords: with(["sslmode": "verify-full"])),
        Case(url: plain + "?ssl=true", keywords: with(["sslmode": "require"])),
        Case(url: plain + "?ssl=0", keywords: with(["sslmode": "disable"])),
        Case(
            url: plain + "?sslcert=/etc/ca.pem", keywords: with(["sslrootcert": "/etc/ca.pem"]),
            notice: (.debug, "sslcert became sslrootcert")),
        Case(
            url: plain + "?sslrootcert=/x.pem&sslcert=/etc/ca.pem", keywords: with(["sslrootcert": "/etc/ca.pem"]),
            notice: (.warning, "sslcert goes before")),
        Case(
            url: plain + "?sslcert=/c.crt&sslkey=/c.key&sslrootcert=/ca.pem",
            keywords: with(["sslcert": "/c.crt", "sslkey": "/c.key", "sslrootcert": "/ca.pem"])),
        Case(url: plain + "?sslrootcert=/ca.pem", keywords: with(["sslrootcert": "/ca.pem"])),
        Case(
            url: plain + "?sslcert=./certs/ca.pem",
            keywords: with(["sslrootcert": "/srv/app/prisma/certs/ca.pem"]), notice: (.debug, "sslrootcert")),
        Case(
            url: plain + "?sslaccept=strict",
            keywords: with(["sslmode": "verify-full", "sslrootcert": "/etc/ssl/certs/ca-certificates.crt"]),
            notice: (.debug, "verify-full")),
        Case(
            url: plain + "?sslmode=require&sslaccept=strict&sslcert=/ca.pem",
            keywords: with(["sslmode": "verify-full", "sslrootcert": "/ca.pem"]), notice: (.debug, "verify-full")),
        Case(
            url: plain + "?sslaccept=whatever&sslcert=/ca.pem",
            keywords: with(["sslmode": "verify-full", "sslrootcert": "/ca.pem"]), notice: (.debug, "verify-full")),
        Case(
            url: plain + "?sslaccept=accept_invalid_certs&sslcert=/ca.pem", keywords: with(["sslmode": "require"]),
            notice: (.warning, "accept_invalid_certs")),
        Case(url: plain + "?sslmode=disable&sslaccept=strict", keywords: with(["sslmode": "disable"])),
        Case(
            url: plain + "?application_name=erp&channel_binding=require&options=-c%20work_mem%3D8MB",
            keywords: with([
                "application_name": "erp", "channel_binding": "require", "options": "-c work_mem=8MB",
            ])),
        Case(url: plain + "?uselibpqcompat=true", keywords: base, notice: (.debug, "uselibpqcompat")),
        Case(url: plain + "?directUrl=x", keywords: base, notice: (.debug, "directUrl")),
        Case(url: plain + "?api_key=geheim", keywords: base, notice: (.debug, "api_key")),
        Case(url: plain + "?statement_timeout=5000", keywords: base, notice: (.debug, "statement_timeout")),
        Case(url: plain + "?client_encoding=LATIN1", keywords: base, notice: (.debug, "UTF-8")),
        Case(
            url: plain + "?keepalives_idle=7&tcp_user_timeout=1000&gssencmode=disable",
            keywords: with(["keepalives_idle": "7", "tcp_user_timeout": "1000", "gssencmode": "disable"])),
        Case(url: plain + "?passfile=/etc/pgpass", keywords: with(["passfile": "/etc/pgpass"])),
        Case(url: plain + "?", keywords: base),
        Case(url: plain + "?&connect_timeout=1&", keywords: with(["connect_timeout": "1"])),
    ]

    @Test("a connection text is taken apart as libpq and Prisma would", arguments: forms + parameters)
    func translation(_ expected: Case) throws {
        let target = try ConnectionTarget(url: expected.url, filesRelativeTo: "/srv/app/prisma")
        #expect(target.keywords == expected.keywords)
        #expect(target.password?.reveal() == expected.password)
        #expect(target.schema == expected.schema)
        #expect(target.viaPooler == expected.pooled)
        if let (level, text) = expected.notice {
            #expect(target.notices.contains { $0.level == level && $0.message.contains(text) }, "\(target.notices)")
        } else {
            #expect(target.notices.isEmpty)
        }
        #expect(!target.notices.contains { $0.message.contains("geheim") })
    }

    @Test(
        "a text that cannot be used says why, and never what was in it",
        arguments: [
            ("", "empty", nil),
            ("  ''  ", "empty", nil),
            (
                "prisma+postgres://accelerate.example/?api_key=geheim",
                "prisma+postgres://… is the address of a Prisma", "direct"
            ),
            ("prisma://geheim", "Prisma", nil),
            ("mysql://app:geheim@h/erp", "mysql://… is not a PostgreSQL URL", "postgresql://"),
            ("postgresql+psycopg2://app:geheim@h/erp", "postgresql+psycopg2", nil),
            ("jdbc:postgresql://geheim/erp", "unknown scheme", nil),
            ("geheim:x", "unknown scheme", nil),
            ("file:./geheim.db", "unknown scheme", nil),
            ("postgresql:geheim", "no // after", nil),
            ("geheim", "neither as a URL nor as key=value", "postgresql://user"),
            ("host=h geheim", "neither as a URL", nil),
            ("host=h password='geheim", "not closed", nil),
            ("DATABASE_URL=postgresql://app:geheim@h/erp", "unknown connection parameter \"DATABASE_URL\"", nil),
            ("postgresql://app:ge/heim@h/erp", "port", "%2F"),
            ("postgresql://app:geheim?x@h/erp", "port", "%3F"),
            ("postgresql://app:1234?geheim@h/erp", "@ among its parameters", "%3F"),
            ("postgresql://h:70000/erp", "port", nil),
            ("postgresql://h:12ab/erp", "port", nil),
            ("postgresql://[::1/erp", "closing bracket", nil),
            ("postgresql://app:%FFgeheim@h/erp", "UTF-8", nil),
            ("postgresql://app:%00geheim@h/erp", "NUL", nil),
            ("postgresql://h/erp?port=x", "port", nil),
            ("postgresql://h/erp?connect_timeout=soon", "connect_timeout", nil),
            ("postgresql://h/erp?sslmode=no-verify", "sslmode \"no-verify\"", "Use require"),
            ("postgresql://h/erp?ssl=no-verify", "no-verify", "Use require"),
            ("postgresql://h/erp?sslmode=Require", "sslmode", "verify-full"),
            ("postgresql://h/erp?sslidentity=c.p12&sslpassword=geheim", "PKCS#12", "openssl pkcs12"),
            ("postgresql://h/erp?replication=database", "replication", nil),
            (
                "postgresql://h/erp?conection_limit=1", "unknown connection parameter \"conection_limit\"",
                "\"connection_limit\""
            ),
            ("postgresql://h/erp?SSLMode=require", "SSLMode", "\"sslmode\""),
            ("postgresql://h/erp?shema=x", "shema", "\"schema\""),
            ("postgresql://h/erp?pgbounser=x", "pgbounser", "\"pgbouncer\""),
            ("postgresql://h/erp?ge%2Fheim=x", "no proper name", nil),
        ] as [(String, String, String?)])
    func refusal(url: String, message: String, hint: String?) throws {
        let error = try #require(throws: ConnectionURLError.self) { try ConnectionTarget(url: url) }
        #expect(error.message.contains(message))
        if let hint { #expect(error.hint?.contains(hint) == true, "\(error.hint ?? "no hint")") }
        #expect(!"\(error)".contains("geheim") && !"\(error)".contains("heim@"))
    }

    @Test("a relative path of a certificate is warned of when nobody says what it is relative to")
    func relativePath() throws {
        let target = try ConnectionTarget(url: "postgresql://h/d?sslcert=ca.pem")
        #expect(target.keywords["sslrootcert"] == "ca.pem")
        #expect(target.notices.contains { $0.level == .warning && $0.message.contains("relative path") })
    }

    @Test("the pass phrase of a key is kept as a secret, and pg_dump's lack of it is told")
    func keyPassphrase() throws {
        let target = try ConnectionTarget(url: "postgresql://h/d?sslcert=/c&sslkey=/k&sslpassword=geheim")
        #expect(target.keyPassphrase?.reveal() == "geheim")
        #expect(target.keywords["sslpassword"] == nil)
        #expect(target.notices.contains { $0.level == .warning && $0.message.contains("pg_dump") })
    }

    @Test(
        "a summary names database and place, never user or password",
        arguments: [
            ("postgresql://app:geheim@db.example.org:5433/erp", "erp at db.example.org:5433"),
            ("postgresql:///erp", "erp at the local socket"),
            ("postgresql:///erp?host=/run/postgresql", "erp at /run/postgresql"),
            ("postgresql://[::1]:1,b:2/erp", "erp at [::1]:1, b:2"),
            ("service=school", "the default database of service school"),
            ("postgresql://h", "the default database at h"),
            ("host=a,b port=7 dbname=d", "d at a:7, b:7"),
        ])
    func summary(url: String, expected: String) throws {
        let target = try ConnectionTarget(url: url)
        #expect(target.summary == expected)
        #expect("\(target)" == expected)
        var dumped = ""
        dump(target, to: &dumped)
        #expect(!dumped.contains("geheim"))
        #expect(!String(reflecting: target).contains("geheim"))
    }

    @Test("a password among the keywords becomes a secret")
    func openSecrets() {
        let target = ConnectionTarget(keywords: ["host": "h", "password": "geheim", "sslpassword": "auch geheim"])
        #expect(target.keywords == ["host": "h"])
        #expect(target.password?.reveal() == "geheim" && target.keyPassphrase?.reveal() == "auch geheim")
    }

    @Test("another database or role leaves the rest as it was")
    func variations() throws {
        let target = try ConnectionTarget(url: "postgresql://app:pw@h:1/erp?schema=s")
        let other = target.with(database: "drill").with(user: "backup", password: nil)
        #expect(other.keywords == ["host": "h", "port": "1", "user": "backup", "dbname": "drill"])
        #expect(other.password == nil && other.schema == "s")
        #expect(target.with(database: "drill").password?.reveal() == "pw")
    }

    @Test(
        "of the variables of an environment the one that leads to the server itself is taken",
        arguments: [
            ([:], nil, nil),
            (["DATABASE_URL": "postgresql:///a"], "DATABASE_URL", "a"),
            (["DATABASE_URL": "postgresql:///a", "DIRECT_URL": "postgresql:///b"], "DATABASE_URL", "a"),
            (["DATABASE_URL": "postgresql:///a?pgbouncer=true", "DIRECT_URL": "postgresql:///b"], "DIRECT_URL", "b"),
            (["DATABASE_URL": "postgresql:///a?pgbouncer=true", "DIRECT_URL": ""], "DATABASE_URL", "a"),
            (
                ["DATABASE_URL": "prisma+postgres://x/?api_key=y", "DIRECT_DATABASE_URL": "postgresql:///b"],
                "DIRECT_DATABASE_URL", "b"
            ),
            (["DATABASE_URL": "", "POSTGRES_URL_NON_POOLING": "postgres:///c"], "POSTGRES_URL_NON_POOLING", "c"),
        ] as [([String: String], String?, String?)])
    func choice(environment: [String: String], variable: String?, database: String?) throws {
        let chosen = try ConnectionTarget.choose(from: environment)
        #expect(chosen?.variable == variable)
        #expect(chosen?.target.database == database)
    }

    @Test("a Prisma service without a direct URL beside it is refused by name")
    func noDirect() {
        #expect(throws: ConnectionURLError.self) {
            try ConnectionTarget.choose(from: ["DATABASE_URL": "prisma+postgres://x/?api_key=y"])
        }
    }
}
