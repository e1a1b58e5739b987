import Glibc

/// A user of this machine, as far as running processes needs one.
package struct ProcessUser: Sendable, Hashable {
    /// The login name.
    package var name: String
    /// The numeric user id.
    package var userID: UInt32
    /// The numeric id of the primary group.
    package var groupID: UInt32
    /// The home directory.
    package var home: String

    /// Creates a user from known values; nothing is looked up.
    package init(name: String, userID: UInt32, groupID: UInt32, home: String) {
        self.name = name
        self.userID = userID
        self.groupID = groupID
        self.home = home
    }

    /// The user of that name, or nil if the user database has none (getpwnam_r(3)).
    package static func named(_ name: String) -> ProcessUser? {
        look { entry, buffer, size, found in getpwnam_r(name, entry, buffer, size, found) }
    }

    /// The user this process runs as. A user id without an entry, as in a container, gets its number as a name and "/"
    /// as a home.
    package static func current() -> ProcessUser {
        let userID = geteuid()
        return look { entry, buffer, size, found in getpwuid_r(userID, entry, buffer, size, found) }
            ?? ProcessUser(name: String(userID), userID: userID, groupID: getegid(), home: "/")
    }

    /// A user without privileges for work that root must not do itself, such as running PostgreSQL: "postgres", else
    /// "nobody".
    package static func unprivileged() -> ProcessUser? {
        named("postgres") ?? named("nobody")
    }

    /// Whether this process runs as root.
    package static var isRoot: Bool { geteuid() == 0 }

    /// Turns this whole process, with all its threads, into that user for good (setgroups(2), setgid(2), setuid(2)).
    ///
    /// Does nothing if we are that user already. Throws ``StepDownError`` naming the call that was refused.
    package static func stepDown(to user: ProcessUser) throws {
        guard geteuid() != user.userID || getuid() != user.userID else { return }
        // Groups first: once the user is no longer root, neither may be changed.
        let groups = user.supplementaryGroups()
        guard setgroups(groups.count, groups) == 0 else { throw StepDownError(call: "setgroups", code: errno) }
        guard setgid(user.groupID) == 0 else { throw StepDownError(call: "setgid", code: errno) }
        guard setuid(user.userID) == 0 else { throw StepDownError(call: "setuid", code: errno) }
        // setuid as root changes the saved id as well; were it possible to go back, we would not have stepped down.
        guard user.userID == 0 || setuid(0) != 0 else { throw StepDownError(call: "setuid", code: EPERM) }
    }

    /// All groups of the user, the primary one included (getgrouplist(3)).
    func supplementaryGroups() -> [gid_t] {
        var groups = [gid_t](repeating: 0, count: 32)
        while true {
            var count = Int32(groups.count)
            if getgrouplist(name, groupID, &groups, &count) >= 0 { return Array(groups.prefix(Int(count))) }
            // It says how many there are. Doubling covers a group that joins between the two calls.
            groups = [gid_t](repeating: 0, count: max(Int(count), groups.count * 2))
        }
    }

    private typealias LookUp = (
        UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int,
        UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
    ) -> Int32

    private static func look(_ lookUp: LookUp) -> ProcessUser? {
        var size = 1024
        while size <= 1 << 20 {
            var entry = passwd()
            var found: UnsafeMutablePointer<passwd>?
            var code: Int32 = 0
            let user = withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) { buffer -> ProcessUser? in
                guard let start = buffer.baseAddress else { return nil }
                code = lookUp(&entry, start, size, &found)
                guard code == 0, found != nil, let name = entry.pw_name, let home = entry.pw_dir else { return nil }
                return ProcessUser(
                    name: String(cString: name), userID: entry.pw_uid, groupID: entry.pw_gid,
                    home: String(cString: home))
            }
            guard code == ERANGE else { return user }
            size *= 4
        }
        return nil
    }
}

/// The kernel refused to let this process become another user.
package struct StepDownError: Error, Hashable, CustomStringConvertible {
    /// The system call that was refused.
    package var call: String
    /// Its errno.
    package var code: Int32

    /// One line for a log.
    package var description: String { "\(call): \(String(cString: strerror(code)))" }
}
