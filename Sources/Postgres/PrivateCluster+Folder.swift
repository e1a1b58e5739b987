import Command
import Glibc

/// Who made a cluster's folder: a process, known by its number and the time it started, because numbers come round again.
struct ClusterOwner: Equatable {
    /// The name of the file in the cluster's folder that says it.
    static let fileName = "owner"

    let processID: pid_t
    let startTime: String

    /// This process.
    static func current() -> ClusterOwner? { ClusterOwner(processID: getpid()) }

    /// A process that lives.
    init?(processID: pid_t) {
        // The second field is a name in parentheses that may contain blanks; the start time is the 22nd (proc(5)).
        guard let status = textOfFile("/proc/\(processID)/stat"), let end = status.lastIndex(of: ")") else {
            return nil
        }
        let fields = status[status.index(after: end)...].split(separator: " ")
        // A zombie has ended, whether or not its parent has taken notice.
        guard fields.count > 19, fields[0] != "Z" else { return nil }
        self.processID = processID
        startTime = String(fields[19])
    }

    /// What a folder's file says.
    init?(file: String) {
        guard let fields = textOfFile(file)?.split(whereSeparator: \.isWhitespace), fields.count == 2,
            let processID = pid_t(fields[0])
        else { return nil }
        self.processID = processID
        startTime = String(fields[1])
    }

    /// Whether that very process still lives.
    var isAlive: Bool { ClusterOwner(processID: processID) == self }
}

extension PrivateCluster {
    private static let prefix = "pgcaretaker-"

    /// The user that a server of ours runs as: `nil` for ourselves.
    static func serverUser() throws(PrivateClusterError) -> ProcessUser? {
        guard ProcessUser.isRoot else { return nil }
        guard let user = ProcessUser.unprivileged() else {
            throw PrivateClusterError(
                "PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody",
                hint: "Install Debian's package postgresql-common, or run this as an ordinary user.")
        }
        return user
    }

    /// A port of the loopback interface on which nobody listens at the moment.
    static func freePort() throws(PrivateClusterError) -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw PrivateClusterError.system("open a socket for", "127.0.0.1") }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw PrivateClusterError.system("find a free port on", "127.0.0.1") }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    /// Makes the folder of a cluster, with its owner's mark and the folder of the socket.
    static func makeDirectory(in parent: String, port: Int, for user: ProcessUser?) throws(PrivateClusterError)
        -> String
    {
        var template = Array("\(parent)/\(prefix)XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw PrivateClusterError.system("make a folder in", parent) }
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        do throws(PrivateClusterError) {
            let socket = "\(directory)/s/.s.PGSQL.\(port)"
            guard socket.utf8.count <= 107 else {
                throw PrivateClusterError(
                    "\(parent) is too long a path for a socket in it", hint: "Use a shorter folder, such as /tmp.")
            }
            try mark(directory)
            guard mkdir("\(directory)/s", 0o700) == 0 else {
                throw PrivateClusterError.system("make a folder in", directory)
            }
            guard let user else { return directory }
            for path in [directory, "\(directory)/s"] where chown(path, user.userID, user.groupID) != 0 {
                throw PrivateClusterError.system("give to \(user.name)", path)
            }
            return directory
        } catch {
            removeTree(directory)
            throw error
        }
    }

    private static func mark(_ directory: String) throws(PrivateClusterError) {
        let file = "\(directory)/\(ClusterOwner.fileName)"
        guard let owner = ClusterOwner.current() else { throw PrivateClusterError.system("read", "/proc/self/stat") }
        let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw PrivateClusterError.system("write", file) }
        defer { close(descriptor) }
        let bytes = Array("\(owner.processID) \(owner.startTime)\n".utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            throw PrivateClusterError.system("write", file)
        }
    }

    /// Removes the clusters in a folder whose makers are gone, stopping their servers first.
    ///
    /// A cluster without an owner's mark (``keep()``), one whose owner lives, and one that belongs to somebody else stay.
    /// - Returns: the folders that were removed.
    @discardableResult
    package static func sweepOrphans(in parent: String) -> [String] {
        var removed: [String] = []
        for name in namesInDirectory(parent).sorted() where name.hasPrefix(prefix) {
            let directory = "\(parent)/\(name)"
            guard let owner = ClusterOwner(file: "\(directory)/\(ClusterOwner.fileName)"), !owner.isAlive else {
                continue
            }
            demolish(directory)
            var status = stat()
            if lstat(directory, &status) != 0 { removed.append(directory) }
        }
        return removed
    }

    /// The main process of the server that runs in a cluster's folder.
    static func serverProcess(of directory: String) -> pid_t? {
        guard
            let line = textOfFile("\(directory)/data/postmaster.pid")?.split(separator: "\n").first,
            let process = pid_t(line), process > 1
        else { return nil }
        // The file survives a crash, and the number may be somebody else's by now. A server works in its data directory.
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/\(process)/cwd", &buffer, buffer.count)
        guard length > 0 else { return nil }
        let workingDirectory = String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let resolved = realpath("\(directory)/data", nil) else { return nil }
        defer { free(resolved) }
        return workingDirectory == String(cString: resolved) ? process : nil
    }

    /// Stops a server the hard way, and removes its folder. Blocks.
    static func demolish(_ directory: String) {
        if let process = serverProcess(of: directory) {
            // SIGQUIT is an immediate shutdown: it ends the children too, and leaves neither socket nor shared memory.
            kill(process, SIGQUIT)
            if !serverHasEnded(in: directory, within: .seconds(5)) {
                kill(process, SIGKILL)
                _ = serverHasEnded(in: directory, within: .seconds(1))
            }
        }
        removeTree(directory)
    }

    private static func serverHasEnded(in directory: String, within patience: Duration) -> Bool {
        let limit = ContinuousClock.now + patience
        while serverProcess(of: directory) != nil {
            guard .now < limit else { return false }
            usleep(5000)
        }
        return true
    }
}
