import CLibpq

extension ConnectionTarget {
    /// Translates a connection URL, as an application or libpq would write it, into what libpq accepts.
    ///
    /// `postgresql://` and `postgres://` URLs and `key=value` strings are read; quotes around the whole are taken off.
    /// Parameters of Prisma and of Node's driver are mapped or dropped, each with a notice; libpq's own pass.
    ///
    /// - Parameters:
    ///   - url: the text, which no error repeats.
    ///   - directory: what relative paths of certificates are relative to; Prisma's are to the folder of its schema.
    /// - Throws: ``ConnectionURLError`` for another scheme, an unknown parameter (with the nearest known one), or a value
    ///   that libpq would refuse.
    package init(url: String, filesRelativeTo directory: String? = nil) throws(ConnectionURLError) {
        let text = try ConnectionText(url)
        var translation = ParameterTranslation(isURL: text.isURL, directory: directory)
        for (name, value) in text.parameters { try translation.take(name, value) }
        self = try translation.target()
    }

    /// Where in an environment the database's URL stands, and what it says.
    ///
    /// Usually `DATABASE_URL`. If that leads through a pooler or to a Prisma service, and the address of the database
    /// itself stands beside it (`DIRECT_URL`, `DIRECT_DATABASE_URL`, `POSTGRES_URL_NON_POOLING`), then that one, because
    /// dumps and advisory locks need a direct connection.
    ///
    /// - Returns: the variable's name and the target; `nil` if there is no such variable.
    /// - Throws: ``ConnectionURLError`` as ``init(url:filesRelativeTo:)``.
    package static func choose(
        from environment: [String: String], filesRelativeTo directory: String? = nil
    ) throws(ConnectionURLError) -> (variable: String, target: ConnectionTarget)? {
        let direct = ["DIRECT_URL", "DIRECT_DATABASE_URL", "POSTGRES_URL_NON_POOLING"].first {
            environment[$0]?.isEmpty == false
        }
        guard let url = environment["DATABASE_URL"], !url.isEmpty else {
            guard let direct, let url = environment[direct] else { return nil }
            return (direct, try ConnectionTarget(url: url, filesRelativeTo: directory))
        }
        guard let direct, let directURL = environment[direct] else {
            return ("DATABASE_URL", try ConnectionTarget(url: url, filesRelativeTo: directory))
        }
        let isIndirect: Bool
        do throws(ConnectionURLError) {
            isIndirect = try ConnectionTarget(url: url, filesRelativeTo: directory).viaPooler
        } catch {
            isIndirect = true
        }
        return isIndirect
            ? (direct, try ConnectionTarget(url: directURL, filesRelativeTo: directory))
            : ("DATABASE_URL", try ConnectionTarget(url: url, filesRelativeTo: directory))
    }
}

/// The keywords that the libpq in use knows.
enum LibpqKeywords {
    /// Asked of libpq itself, which knows best; parsing an empty string reads neither environment nor files.
    static let all: Set<String> = {
        guard let options = PQconninfoParse("", nil) else { return [] }
        defer { PQconninfoFree(options) }
        var names: Set<String> = []
        var option = options
        while let keyword = option.pointee.keyword {
            names.insert(String(cString: keyword))
            option += 1
        }
        return names
    }()

    /// The major version of libpq that brought a keyword, for those that not every supported libpq has.
    static let sinceVersion = [
        "require_auth": 16, "sslcertmode": 16, "load_balance_hosts": 16, "sslnegotiation": 17, "gssdelegation": 17,
        "min_protocol_version": 18, "max_protocol_version": 18, "scram_client_key": 18, "scram_server_key": 18,
        "sslkeylogfile": 18, "servicefile": 18, "oauth_issuer": 18, "oauth_client_id": 18, "oauth_client_secret": 18,
        "oauth_scope": 18,
    ]
}
