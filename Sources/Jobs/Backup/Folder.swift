import Glibc

/// Calls of the file system on a folder of backups. All of them may wait for the disk.
enum Folder {
    /// The names in a folder but `.` and `..`, in no order.
    static func names(in path: String) throws(FileFailure) -> [String] {
        guard let directory = opendir(path) else { throw .last("read the folder", path) }
        defer { closedir(directory) }
        var names: [String] = []
        while true {
            // readdir(3) gives nil at the end and on failure; only errno tells which.
            errno = 0
            guard let entry = readdir(directory) else {
                guard errno == 0 else { throw .last("read the folder", path) }
                return names
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: entry.pointee.d_name)) {
                    String(cString: $0)
                }
            }
            if name != ".", name != ".." { names.append(name) }
        }
    }

    /// The bytes of a regular file of at most `limit` bytes.
    static func contents(of path: String, limit: Int64) throws(FileFailure) -> [UInt8] {
        // O_NONBLOCK: opening a named pipe that somebody put there would wait for ever.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { throw .last("open", path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .last("read", path) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw FileFailure(verb: "read", path: path, code: EINVAL) }
        guard status.st_size <= limit else { throw FileFailure(verb: "read", path: path, code: EFBIG) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .last("read", path) }
            guard count > 0 else { return bytes }
            bytes.append(contentsOf: buffer[..<count])
        }
    }

    /// Writes a new file that only we can read, and waits until it is on the disk.
    static func write(_ bytes: [UInt8], toNew path: String) throws(FileFailure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .last("create", path) }
        defer { close(descriptor) }
        do throws(FileFailure) {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                guard count > 0 else {
                    if count < 0, errno == EINTR { continue }
                    throw .last("write", path)
                }
                rest = rest.dropFirst(count)
            }
            guard fsync(descriptor) == 0 else { throw .last("sync", path) }
        } catch {
            unlink(path)
            throw error
        }
    }

    /// Waits until the names in a folder are on the disk as they are now.
    static func sync(_ path: String) throws(FileFailure) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .last("open", path) }
        defer { close(descriptor) }
        // Some file systems of networks cannot sync a folder and say EINVAL; what they do at a rename is theirs to know.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw .last("sync", path) }
    }

    /// Gives a file another name in its folder.
    static func rename(_ old: String, to new: String) throws(FileFailure) {
        guard Glibc.rename(old, new) == 0 else { throw .last("rename", old) }
    }

    /// Removes a file; one that is not there is removed already.
    static func remove(_ path: String) throws(FileFailure) {
        guard unlink(path) == 0 || errno == ENOENT else { throw .last("remove", path) }
    }

    /// Whether something bears that name, a link to nowhere included.
    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// How many bytes an ordinary user may still write on the file system that a path is on (statvfs(3)).
    static func freeSpace(at path: String) throws(FileFailure) -> Int64 {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw .last("ask for the free space at", path) }
        let (bytes, overflow) = Int64(clamping: status.f_bavail).multipliedReportingOverflow(by: Int64(clamping: status.f_frsize))
        return overflow ? .max : bytes
    }

    /// The folder that a path lies in.
    static func parent(of path: String) -> String {
        let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        guard let slash = trimmed.lastIndex(of: "/"), slash > trimmed.startIndex else { return "/" }
        return String(trimmed[..<slash])
    }
}
