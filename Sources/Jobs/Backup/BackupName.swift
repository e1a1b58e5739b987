import Crypto
import Schedule

/// The name that a backup bears: what `backups list` shows, and what its files are called.
///
/// `<database>_<20261124T020000Z>_<job>.dump.zst` and, beside it, the same with `.json`. What is not a letter, a digit, `-`, `_` or `.`
/// of ASCII is percent-encoded, so that a database may have any name and a shell needs no quoting. The manifest tells what the parts
/// were; nothing reads them back out of the name.
package struct BackupName: Sendable, Hashable {
    /// What ends the name of a dump.
    package static let dumpSuffix = ".dump.zst"
    /// What ends the name of a manifest.
    package static let manifestSuffix = ".json"
    /// What ends the name of a file that is not complete yet, or not any more.
    package static let partialSuffix = ".partial"

    /// The name of both files without what ends them.
    package let stem: String

    /// Takes the stem of a name as it was found in a folder; `nil` if no backup of ours is called so.
    package init?(stem: String) {
        let parts = stem.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count >= 3, !stem.hasPrefix("."), parts.dropFirst().dropLast().contains(where: Self.isStamp) else { return nil }
        guard stem.utf8.allSatisfy({ Self.isPlain($0) || $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "~") }) else { return nil }
        self.stem = stem
    }

    /// The name of a backup that begins now.
    ///
    /// - Parameter ordinal: 1 for the first backup of a database in a second, 2 for the next.
    package init(database: String, startedAt: Instant, ordinal: Int = 1, job: String) {
        stem =
            Self.beginning(database: database, startedAt: startedAt, ordinal: ordinal) + Self.encoded(job, limit: 64)
    }

    /// What a backup is called on the command line: `20261124T020000Z-school_erp`.
    package static func identifier(database: String, startedAt: Instant, ordinal: Int = 1) -> String {
        "\(stamp(startedAt, ordinal))-\(encoded(database, limit: 80))"
    }

    /// What the stems of a database's backups of one second, and of that place in it, begin with.
    static func beginning(database: String, startedAt: Instant, ordinal: Int) -> String {
        "\(encoded(database, limit: 80))_\(stamp(startedAt, ordinal))_"
    }

    /// The dump.
    package var dump: String { stem + Self.dumpSuffix }
    /// The manifest.
    package var manifest: String { stem + Self.manifestSuffix }

    /// The name of the dump while it is written or taken away, by the run of that identifier.
    package func partialDump(run: String) -> String { ".\(dump).\(Self.encoded(run, limit: 40))\(Self.partialSuffix)" }

    /// The name of the manifest while it is written, by the run of that identifier.
    package func partialManifest(run: String) -> String {
        ".\(manifest).\(Self.encoded(run, limit: 40))\(Self.partialSuffix)"
    }

    // MARK: Reading a folder

    /// What a file in a folder of backups is.
    package enum Role: Sendable, Hashable {
        /// A dump under its final name.
        case dump(BackupName)
        /// A manifest under its final name.
        case manifest(BackupName)
        /// A dump that is being written or taken away, or was when its run died.
        case partialDump(BackupName)
        /// A manifest that is being written, or was when its run died.
        case partialManifest(BackupName)
    }

    /// What a file is by its name; `nil` if it is none of ours.
    package static func role(of fileName: String) -> Role? {
        if fileName.hasPrefix("."), fileName.hasSuffix(partialSuffix) {
            // Without the dot and the suffix, what follows the last dot is the run; an encoded run has no dot in it.
            let inner = fileName.dropFirst().dropLast(partialSuffix.count)
            guard let dot = inner.lastIndex(of: "."), inner.index(after: dot) < inner.endIndex else { return nil }
            return switch role(of: String(inner[..<dot])) {
            case .dump(let name): .partialDump(name)
            case .manifest(let name): .partialManifest(name)
            default: nil
            }
        }
        if fileName.hasSuffix(dumpSuffix) {
            return BackupName(stem: String(fileName.dropLast(dumpSuffix.count))).map(Role.dump)
        }
        if fileName.hasSuffix(manifestSuffix) {
            return BackupName(stem: String(fileName.dropLast(manifestSuffix.count))).map(Role.manifest)
        }
        return nil
    }

    // MARK: Parts

    /// `20261124T020000Z`, with `-2` for the second of one second.
    static func stamp(_ instant: Instant, _ ordinal: Int) -> String {
        let whole = Instant(secondsSinceEpoch: instant.secondsSinceEpoch).rfc3339
        return whole.filter { $0 != "-" && $0 != ":" } + (ordinal > 1 ? "-\(ordinal)" : "")
    }

    private static func isStamp(_ part: Substring) -> Bool {
        let ordinal = part.dropFirst(16)
        guard ordinal.isEmpty || (ordinal.first == "-" && Int(ordinal.dropFirst()) ?? 0 > 1) else { return false }
        for (index, byte) in part.utf8.prefix(16).enumerated() {
            switch index {
            case 8: guard byte == UInt8(ascii: "T") else { return false }
            case 15: return byte == UInt8(ascii: "Z")
            default: guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return false }
            }
        }
        return false
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    /// Percent-encodes a text; one that gets longer than `limit` is cut and ends in a part of its SHA-256, because a file's
    /// name has 255 bytes and a database's of 63 bytes may encode to 189.
    static func encoded(_ text: String, limit: Int) -> String {
        var pieces: [String] = []
        for (index, byte) in text.utf8.enumerated() {
            // A leading dot would hide the file.
            let isPlain = isPlain(byte) && !(index == 0 && byte == UInt8(ascii: "."))
            pieces.append(
                isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true))
        }
        let whole = pieces.joined()
        guard whole.utf8.count > limit else { return whole }
        var cut = ""
        for piece in pieces {
            guard cut.utf8.count + piece.utf8.count <= limit - 9 else { break }
            cut += piece
        }
        return cut + "~" + Checksum.hexadecimal(SHA256.hash(data: Array(text.utf8))).prefix(8)
    }
}

extension BackupName: CustomStringConvertible {
    /// The stem.
    package var description: String { stem }
}

extension BackupName.Role {
    /// The name of the backup that the file is a part of.
    var name: BackupName {
        switch self {
        case .dump(let name), .manifest(let name), .partialDump(let name), .partialManifest(let name): name
        }
    }
}
