import Glibc

/// Finds programs in a list of directories, as a shell does with PATH, but without the traps of PATH.
///
/// Empty and relative entries are dropped: with them a program in the working directory could stand in for the real
/// one.
package struct ExecutableSearch: Sendable, Hashable {
    /// The absolute directories, searched in this order.
    package var directories: [String]

    /// Creates a search over these directories; those that are not absolute are dropped.
    package init(directories: [String]) {
        self.directories = directories.filter { $0.hasPrefix("/") }
    }

    /// Creates a search over a PATH-like list, separated by colons.
    package init(path: String) {
        self.init(directories: path.split(separator: ":").map(String.init))
    }

    /// Where a Debian system keeps its programs.
    package static let standard = ExecutableSearch(path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")

    /// The path of the first executable file of that name, or nil.
    ///
    /// An absolute name is not searched for, only checked; a relative path with a slash is never found.
    package func find(_ name: String) -> String? {
        if name.hasPrefix("/") { return Self.isExecutableFile(name) ? name : nil }
        guard !name.isEmpty, !name.contains("/") else { return nil }
        return directories.lazy.map { $0.hasSuffix("/") ? $0 + name : "\($0)/\(name)" }.first(
            where: Self.isExecutableFile)
    }

    /// Whether this process may execute the regular file at `path` (access(2)).
    package static func isExecutableFile(_ path: String) -> Bool {
        reasonNotExecutable(path) == nil
    }

    /// Why the file at `path` cannot be executed by us, in words, or nil if it can.
    static func reasonNotExecutable(_ path: String) -> String? {
        guard path.hasPrefix("/") else { return "not an absolute path" }
        var status = stat()
        guard stat(path, &status) == 0 else { return String(cString: strerror(errno)) }
        // On a directory the execute bit means "may be searched", so access(2) alone would take one for a program.
        guard status.st_mode & S_IFMT == S_IFREG else { return "not a regular file" }
        guard access(path, X_OK) == 0 else { return String(cString: strerror(errno)) }
        return nil
    }
}
