import Command
import Glibc

/// Where the programs of a PostgreSQL server are: `initdb`, `pg_ctl` and `postgres`, all of one version.
package struct ServerPrograms: Sendable, Hashable {
    /// The folder that they are in, an absolute path.
    package let directory: String

    /// Takes a folder as it is; nothing is looked up.
    package init(directory: String) {
        self.directory = directory
    }

    /// Finds a server: in the folder given, else Debian's newest (`/usr/lib/postgresql/N/bin`), else along `path`.
    ///
    /// - Parameters:
    ///   - directory: the only folder to look in; `nil` looks everywhere.
    ///   - path: a list of folders as in the `PATH` variable.
    /// - Throws: ``PrivateClusterError`` that names the package to install if there is none.
    package static func find(in directory: String? = nil, path: String = "") throws(PrivateClusterError)
        -> ServerPrograms
    {
        let candidates =
            directory.map { [$0] } ?? debianDirectories() + ExecutableSearch(path: path).directories
        for candidate in candidates where isComplete(candidate) { return ServerPrograms(directory: candidate) }
        throw PrivateClusterError(
            "the programs of a PostgreSQL server (initdb, pg_ctl, postgres) were not found"
                + (directory.map { " in \($0)" } ?? ""),
            hint: "Install Debian's package postgresql-15, or the postgresql package of your distribution.")
    }

    /// The absolute path of one of the programs.
    package func path(of program: String) -> String {
        directory + (directory.hasSuffix("/") ? "" : "/") + program
    }

    private static func isComplete(_ directory: String) -> Bool {
        ["initdb", "pg_ctl", "postgres"].allSatisfy { ExecutableSearch.isExecutableFile("\(directory)/\($0)") }
    }

    private static func debianDirectories() -> [String] {
        let versions = namesInDirectory("/usr/lib/postgresql").compactMap { Int($0) }
        return versions.sorted(by: >).map { "/usr/lib/postgresql/\($0)/bin" }
    }
}

/// The names in a folder but `.` and `..`; none if it cannot be read.
func namesInDirectory(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
            tuple.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: entry.pointee.d_name)) {
                String(cString: $0)
            }
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names
}

/// Removes a file or a folder with all that is in it; links are removed, not followed. What cannot be removed stays.
func removeTree(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else {
        unlink(path)
        return
    }
    for name in namesInDirectory(path) { removeTree("\(path)/\(name)") }
    rmdir(path)
}

/// The text of a small file; `nil` if it cannot be read.
func textOfFile(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 * 1024)
    while true {
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil }
        bytes.append(contentsOf: buffer[..<count])
    }
}
