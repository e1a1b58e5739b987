import Foundation
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

    private let directory: String
    private let localtime: String

    /// - Parameters:
    ///   - directory: where the TZif files are (tzfile(5)).
    ///   - localtime: the host's zone (localtime(5)).
    package init(directory: String = "/usr/share/zoneinfo", localtime: String = "/etc/localtime") {
        self.directory = directory
        self.localtime = localtime
    }

    /// The rules of a zone, read anew each time.
    ///
    /// - Throws: ``Failure`` if the name is no zone's or its file is damaged.
    package func rules(named name: String) throws(Failure) -> ZoneRules {
        do throws(ZoneRulesError) {
            try ZoneRules.validate(identifier: name)
        } catch {
            throw Failure(reason: "\(error)", hint: "write a zone such as \"Asia/Kolkata\" or \"UTC\"")
        }
        guard let bytes = FileManager.default.contents(atPath: "\(directory)/\(name)") else {
            guard name != "UTC" else { return .utc }
            throw Failure(
                reason: "there is no time zone \"\(name)\" on this host",
                hint: "see timedatectl list-timezones; the Debian package is tzdata")
        }
        do throws(ZoneRulesError) {
            return try ZoneRules(identifier: name, tzif: [UInt8](bytes))
        } catch {
            throw Failure(reason: "the time zone file of \"\(name)\" is damaged: \(error)", hint: "reinstall tzdata")
        }
    }

    /// The name of the host's own zone: what its localtime file links to, else UTC (localtime(5)).
    package var hostZoneName: String {
        guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: localtime),
            let range = target.range(of: "zoneinfo/")
        else { return "UTC" }
        return String(target[range.upperBound...])
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
