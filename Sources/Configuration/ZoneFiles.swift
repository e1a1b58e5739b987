import Foundation
import Glibc
import Schedule

/// The host's time zone files, so that an update of tzdata reaches the daemon without a new build of it.
package struct ZoneFiles: Sendable {
    /// Why a zone cannot be had.
    package struct Failure: Error, Hashable, Sendable {
        /// What is wrong.
        package let reason: String
        /// What to do.
        package let hint: String
    }

    /// The largest file of tzdata has some 4 KiB; what is larger than this is something else.
    private static let largestFile = 1 << 20

    private let directory: String
    private let localtime: String
    private let timezone: String

    /// - Parameters:
    ///   - directory: where the TZif files are (tzfile(5)).
    ///   - localtime: the host's zone (localtime(5)).
    ///   - timezone: the host's zone by name, as Debian keeps it beside.
    package init(
        directory: String = "/usr/share/zoneinfo", localtime: String = "/etc/localtime", timezone: String = "/etc/timezone"
    ) {
        self.directory = directory
        self.localtime = localtime
        self.timezone = timezone
    }

    /// The rules of a zone, read anew each time: a reload sees an update of tzdata.
    ///
    /// - Throws: ``Failure`` if the name is no zone's or its file is damaged.
    package func rules(named name: String) throws(Failure) -> ZoneRules {
        do throws(ZoneRulesError) {
            try ZoneRules.validate(identifier: name)
        } catch {
            throw Failure(reason: "\(error)", hint: "write a zone such as \"Asia/Kolkata\" or \"UTC\"")
        }
        guard name != "localtime" else {
            throw Failure(
                reason: "\"localtime\" is not the name of a time zone",
                hint: "leave timezone out for the host's own zone, or write \"\(hostZoneName)\"")
        }
        guard let bytes = bytes(of: name) else {
            // A host without tzdata knows UTC all the same.
            guard name != "UTC" else { return .utc }
            throw unknown(name)
        }
        do throws(ZoneRulesError) {
            return try ZoneRules(identifier: name, tzif: bytes)
        } catch .notTZif {
            // tzdata has a few files beside the zones, such as zone.tab.
            throw unknown(name)
        } catch {
            throw Failure(reason: "the time zone file of \"\(name)\" is damaged: \(error)", hint: "reinstall tzdata")
        }
    }

    private func unknown(_ name: String) -> Failure {
        Failure(
            reason: "there is no time zone \"\(name)\" on this host",
            hint: "see timedatectl list-timezones; the Debian package is tzdata")
    }

    /// The bytes of a zone's file. Links are followed, as tzdata has many, but not out of the folder.
    private func bytes(of name: String) -> [UInt8]? {
        guard let root = Self.resolved(directory), let path = Self.resolved("\(directory)/\(name)"),
            path.hasPrefix(root.hasSuffix("/") ? root : "\(root)/")
        else { return nil }
        return Self.contents(of: path)
    }

    /// A regular file of a sensible size; a pipe would be waited for for ever.
    private static func contents(of path: String) -> [UInt8]? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= largestFile else { return nil }
        return FileManager.default.contents(atPath: path).map { [UInt8]($0) }
    }

    private static func resolved(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// The rules of the host's own zone.
    ///
    /// - Throws: ``Failure`` if its file cannot be used, or has no name that would say what it is.
    package func hostRules() throws(Failure) -> ZoneRules {
        if let name = linkedZoneName { return try rules(named: name) }
        // Without the file the zone is UTC (localtime(5)).
        guard let bytes = Self.contents(of: localtime) else { return .utc }
        guard let name = copiedZoneName(of: bytes) else {
            throw Failure(
                reason: "\(localtime) is a copy of a zone file that \(timezone) does not name",
                hint: "link it with timedatectl set-timezone, or set timezone")
        }
        return try rules(named: name)
    }

    /// The name of the host's own zone; UTC if it has none (localtime(5)).
    package var hostZoneName: String {
        linkedZoneName ?? Self.contents(of: localtime).flatMap { copiedZoneName(of: $0) } ?? "UTC"
    }

    /// What the localtime file links to.
    private var linkedZoneName: String? {
        guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: localtime),
            let range = target.range(of: "zoneinfo/", options: .backwards)
        else { return nil }
        let name = String(target[range.upperBound...])
        // The same zones a second time.
        return name.hasPrefix("posix/") ? String(name.dropFirst(6)) : name
    }

    /// The name of a zone that somebody copied instead of linking it, as images of containers do: the one that Debian
    /// notes beside, provided that its file is the same.
    private func copiedZoneName(of bytes: [UInt8]) -> String? {
        guard let text = Self.contents(of: timezone) else { return nil }
        let name = String(decoding: text, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard (try? ZoneRules.validate(identifier: name)) != nil, self.bytes(of: name) == bytes else { return nil }
        return name
    }

    /// The names that the host has, for finding the one that was meant.
    var commonNames: [String] {
        guard let table = FileManager.default.contents(atPath: "\(directory)/tzdata.zi") else { return [] }
        // Lines "Z NAME …" are zones, "L TARGET NAME" are links (zic(8)).
        return String(decoding: table, as: UTF8.self).split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ", maxSplits: 3)
            if words.first == "Z", words.count > 1 { return String(words[1]) }
            return words.first == "L" && words.count > 2 ? String(words[2]) : nil
        }
    }
}
