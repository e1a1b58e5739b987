import Glibc

/// A password file for one child: mode 0600 from its first moment, gone when it is removed or let go of.
package final class PrivatePassfile: Sendable {
    /// Where the file is, to be given as `PGPASSFILE`.
    package let path: String

    /// Writes a target's password into a new file; `nil` if the target has none that a file can hold.
    ///
    /// - Parameters:
    ///   - directory: an existing folder that only we can write to.
    ///   - owner: user and group that the file is given to, for a child that runs as somebody else (needs root).
    /// - Throws: ``PrivatePassfileError`` if the file cannot be made.
    package init?(
        for target: ConnectionTarget, in directory: String, owner: (userID: UInt32, groupID: UInt32)? = nil
    ) throws(PrivatePassfileError) {
        guard let contents = target.passfileContents else { return nil }
        path = try Self.write(contents, in: directory, owner: owner)
    }

    private static func write(
        _ contents: Secret, in directory: String, owner: (userID: UInt32, groupID: UInt32)?
    ) throws(PrivatePassfileError) -> String {
        let name = "pgpass-\(getpid())-\(String(UInt64.random(in: .min ... .max), radix: 36))"
        let path = directory + (directory.hasSuffix("/") ? "" : "/") + name
        // O_EXCL: a file, or a link, that somebody else put there is never written to.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw PrivatePassfileError(path: path, code: errno) }
        defer { close(descriptor) }
        do throws(PrivatePassfileError) {
            var bytes = Array(contents.reveal().utf8)[...]
            while !bytes.isEmpty {
                let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                guard count > 0 else {
                    if count < 0, errno == EINTR { continue }
                    throw PrivatePassfileError(path: path, code: errno)
                }
                bytes = bytes.dropFirst(count)
            }
            if let owner, fchown(descriptor, owner.userID, owner.groupID) != 0 {
                throw PrivatePassfileError(path: path, code: errno)
            }
            return path
        } catch {
            unlink(path)
            throw error
        }
    }

    deinit {
        unlink(path)
    }

    /// Removes the file now; removing it twice does no harm.
    package func remove() {
        unlink(path)
    }
}

/// Why a password file could not be written.
package struct PrivatePassfileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file.
    package let path: String
    /// The system's error number.
    package let code: Int32

    /// The reason, lower case, no final stop.
    package var description: String {
        "cannot write the password file \(path): \(String(cString: strerror(code)))"
    }
}
