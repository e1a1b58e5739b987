/// A connection URL or a string of `key=value` pairs, taken apart but not yet understood.
struct ConnectionText {
    /// Names and values in the order in which they were written; a later one of the same name goes first.
    private(set) var parameters: [(name: String, value: String)] = []
    /// Whether it was a URL, where Prisma's meaning of a parameter holds.
    private(set) var isURL = false

    /// Takes a text apart.
    ///
    /// - Throws: ``ConnectionURLError`` if it is neither, or is a URL for something else.
    init(_ text: String) throws(ConnectionURLError) {
        let text = Self.withoutQuotes(text)
        guard !text.isEmpty else { throw ConnectionURLError("the connection URL is empty") }
        guard !text.unicodeScalars.contains("\0") else { throw ConnectionURLError("the connection URL contains NUL") }
        let head = text.prefix { !"=:/? \t\n".contains($0) }
        let tail = text.dropFirst(head.count)
        if tail.first == ":" {
            try Self.check(scheme: String(head), rest: tail)
            isURL = true
            parameters = try Self.parameters(ofURL: tail.dropFirst(3))
        } else {
            parameters = try Self.pairs(text)
        }
    }

    /// Blanks at both ends go, and one pair of quotes: people copy the value out of an `.env` file with them.
    private static func withoutQuotes(_ text: String) -> String {
        var rest = Substring(text)
        func trim() {
            rest = rest.drop { $0.isWhitespace }
            while rest.last?.isWhitespace == true { rest.removeLast() }
        }
        trim()
        if let quote = rest.first, "\"'`".contains(quote), rest.count > 1, rest.last == quote {
            rest = rest.dropFirst().dropLast()
            trim()
        }
        return String(rest)
    }

    private static func check(scheme: String, rest: Substring) throws(ConnectionURLError) {
        let hint = "Use a URL that begins with postgresql:// or postgres://."
        switch scheme.lowercased() {
        case "postgresql", "postgres":
            guard rest.hasPrefix("://") else {
                throw ConnectionURLError("the connection URL has no // after \(scheme.lowercased()):", hint: hint)
            }
        case "prisma", "prisma+postgres":
            throw ConnectionURLError(
                "\(scheme)://… is the address of a Prisma service, not of a PostgreSQL server",
                hint: "Use the direct URL of the database, which begins with postgresql://.")
        case let other:
            // What stands before the colon may be anything, even a password; only what looks like a scheme is repeated.
            let looksLikeScheme =
                rest.hasPrefix("://") && other.count <= 24
                && other.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+.-".contains($0)) }
            throw ConnectionURLError(
                looksLikeScheme ? "\(other)://… is not a PostgreSQL URL" : "the connection URL has an unknown scheme",
                hint: hint)
        }
    }

    // MARK: URLs

    /// Takes apart what follows `postgresql://` (libpq 34.1.1.2).
    ///
    /// As in Prisma, and unlike in libpq, the last `@` before the path ends the password, and a `%` that starts no escape
    /// stands for itself: URLs come from applications for which both work.
    private static func parameters(ofURL text: Substring) throws(ConnectionURLError) -> [(name: String, value: String)] {
        var found: [(name: String, value: String)] = []
        func add(_ name: String, _ value: Substring) throws(ConnectionURLError) {
            if !value.isEmpty { found.append((name, try decode(value))) }
        }
        let authority = text.prefix { $0 != "/" && $0 != "?" }
        var rest = text.dropFirst(authority.count)
        var places = authority
        if let at = authority.lastIndex(of: "@") {
            let credentials = authority[..<at]
            places = authority[authority.index(after: at)...]
            let user = credentials.prefix { $0 != ":" }
            try add("user", user)
            try add("password", credentials.dropFirst(user.count + 1))
        }
        try addPlaces(places, to: &found)
        if rest.first == "/" {
            rest.removeFirst()
            let database = rest.prefix { $0 != "?" }
            try add("dbname", database)
            rest = rest.dropFirst(database.count)
        }
        let query = rest.dropFirst()
        guard authority.contains("@") || !query.contains("@") else {
            // Perhaps a password with a question mark in it: nothing after that mark can be told apart safely.
            throw ConnectionURLError(
                "the connection URL has an @ among its parameters and none before",
                hint: ConnectionURLError.percentEncode)
        }
        for pair in query.split(separator: "&") {
            let name = pair.prefix { $0 != "=" }
            // In a form, which is how Prisma reads its parameters, a plus is a blank. libpq knows no such thing.
            let value = pair.dropFirst(name.count + 1)
            let isPrismas = name == "schema"
            try add(
                try decode(name), isPrismas ? Substring(value.map { $0 == "+" ? "%20" : String($0) }.joined()) : value)
        }
        return found
    }

    /// Hosts and ports, comma-separated, IPv6 addresses in brackets.
    private static func addPlaces(
        _ text: Substring, to found: inout [(name: String, value: String)]
    ) throws(ConnectionURLError) {
        var hosts: [String] = []
        var ports: [String] = []
        for place in text.split(separator: ",", omittingEmptySubsequences: false) {
            var rest = place
            if rest.first == "[" {
                guard let end = rest.firstIndex(of: "]") else {
                    throw ConnectionURLError("an IPv6 address in the connection URL lacks its closing bracket")
                }
                hosts.append(String(rest[rest.index(after: rest.startIndex)..<end]))
                rest = rest[rest.index(after: end)...]
            } else {
                let host = rest.prefix { $0 != ":" }
                hosts.append(try decode(host))
                rest = rest.dropFirst(host.count)
            }
            let port = rest.dropFirst()
            guard rest.isEmpty || (rest.first == ":" && (port.isEmpty || isPort(String(port)))) else {
                throw ConnectionURLError(
                    "the port in the connection URL is not a number from 1 to 65535",
                    hint: ConnectionURLError.percentEncode)
            }
            ports.append(String(port))
        }
        if !hosts.allSatisfy(\.isEmpty) { found.append(("host", hosts.joined(separator: ","))) }
        if !ports.allSatisfy(\.isEmpty) { found.append(("port", ports.joined(separator: ","))) }
    }

    static func isPort(_ text: String) -> Bool {
        text.utf8.allSatisfy { (48...57).contains($0) } && (1...65535).contains(Int(text) ?? 0)
    }

    private static func decode(_ text: Substring) throws(ConnectionURLError) -> String {
        func digit(_ byte: UInt8) -> UInt8? {
            switch byte {
            case 48...57: byte - 48
            case 65...70: byte - 55
            case 97...102: byte - 87
            default: nil
            }
        }
        let bytes = Array(text.utf8)
        var decoded: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count, let high = digit(bytes[index + 1]),
                let low = digit(bytes[index + 2])
            {
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(bytes[index])
                index += 1
            }
        }
        guard !decoded.contains(0), let result = String(validating: decoded, as: UTF8.self) else {
            throw ConnectionURLError("a percent-encoded part of the connection URL is not UTF-8 text, or contains NUL")
        }
        return result
    }

    // MARK: key=value

    /// Takes apart libpq's other form: blanks between pairs, values in single quotes, backslashes (libpq 34.1.1.1).
    private static func pairs(_ text: String) throws(ConnectionURLError) -> [(name: String, value: String)] {
        var found: [(name: String, value: String)] = []
        var rest = Substring(text)
        func skipBlanks() { rest = rest.drop { $0.isWhitespace } }
        func value() throws(ConnectionURLError) -> String {
            var value = ""
            let isQuoted = rest.first == "'"
            if isQuoted { rest.removeFirst() }
            while let character = rest.first, isQuoted ? character != "'" : !character.isWhitespace {
                rest.removeFirst()
                guard character == "\\" else {
                    value.append(character)
                    continue
                }
                if let escaped = rest.popFirst() { value.append(escaped) }
            }
            if isQuoted {
                guard rest.popFirst() != nil else {
                    throw ConnectionURLError("a quote in the connection string is not closed")
                }
            }
            return value
        }
        skipBlanks()
        while !rest.isEmpty {
            let name = rest.prefix { $0 != "=" && !$0.isWhitespace }
            rest = rest.dropFirst(name.count)
            skipBlanks()
            guard rest.popFirst() == "=" else {
                throw ConnectionURLError(
                    "the connection is given neither as a URL nor as key=value pairs",
                    hint: "Write it as postgresql://user:password@host:5432/database.")
            }
            skipBlanks()
            let value = try value()
            if !value.isEmpty { found.append((String(name), value)) }
            skipBlanks()
        }
        return found
    }
}
