import Command
import Foundation

/// A folder with programs that stand in for PostgreSQL's, each a shell script.
package final class FakePrograms: Sendable {
    /// What a pretended pg_dump does once it is not asked for its version.
    package enum Behaviour: Sendable, CaseIterable {
        /// Writes the beginning of a dump and then nothing more, for ever.
        case hangs
        /// Writes the beginning of a dump and dies of a signal.
        case diesHalfWay
        /// Writes the beginning of a dump, complains, and exits 1.
        case failsHalfWay
        /// Writes the beginning of a dump and claims success.
        case writesHalf
        /// Claims success without writing anything.
        case writesNothing
        /// Writes something that is no dump and claims success.
        case writesNonsense
        /// Complains at length, and does its work.
        case shoutsAndSucceeds
        /// Is older than any server.
        case isTooOld
    }

    private let folder: TemporaryFolder

    /// The folder, to be given as `pg_bin`.
    package var directory: String { folder.path }

    /// Makes the folder.
    ///
    /// - Parameter programs: the folder of the real pg_dump and pg_restore.
    package init(_ behaviour: Behaviour, programs: String, half: Int = 6000) throws {
        folder = try TemporaryFolder("fakes")
        let real = "\(programs)/pg_dump"
        let version = behaviour == .isTooOld ? "9.6.24" : "99.1"
        let work =
            switch behaviour {
            case .hangs: "\"\(real)\" \"$@\" | head -c \(half); echo \"working on it\" >&2; exec sleep 1000"
            case .diesHalfWay: "\"\(real)\" \"$@\" | head -c \(half); kill -SEGV $$"
            case .failsHalfWay:
                "\"\(real)\" \"$@\" | head -c \(half); echo 'pg_dump: error: the moon is in the wrong phase' >&2; exit 1"
            case .writesHalf: "\"\(real)\" \"$@\" | head -c \(half); exit 0"
            case .writesNothing: "exit 0"
            case .writesNonsense: "yes nonsense | head -c \(half); exit 0"
            case .shoutsAndSucceeds:
                "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo \"pg_dump: warning: circle $i\" >&2; done; exec \"\(real)\" \"$@\""
            case .isTooOld: "echo 'aborting because of server version mismatch' >&2; exit 1"
            }
        try write("pg_dump", "case \"$1\" in --version) echo 'pg_dump (PostgreSQL) \(version) (fake)'; exit 0;; esac\n\(work)")
        try write("pg_restore", "exec \"\(programs)/pg_restore\" \"$@\"")
    }

    /// Writes a script of that name into the folder.
    @discardableResult
    package func write(_ name: String, _ script: String) throws -> String {
        try folder.write("#!/bin/sh\n\(script)\n", to: name, mode: 0o755)
    }
}
