/// What children may see of the environment: what finds programs and connections, and nothing else.
package enum ChildEnvironment {
    private static let names: Set<String> = [
        "HOME", "USER", "LOGNAME", "PGPASSFILE", "PGPASSWORD", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "KRB5CCNAME",
        "KRB5_CONFIG", "KRB5_KTNAME", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR",
    ]

    /// The part of an environment that children get. Their messages are asked for in English, as they are read.
    package static func filtered(_ environment: [String: String]) -> [String: String] {
        var kept = environment.filter { names.contains($0.key) }
        kept["PATH"] = environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        kept["LC_ALL"] = "C"
        kept["TZ"] = "UTC"
        return kept
    }
}
