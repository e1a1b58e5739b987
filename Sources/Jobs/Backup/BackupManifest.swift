import FoundationEssentials
import Schedule

/// What is known of a backup, as the JSON file beside the dump tells it: all that is needed to list, verify and restore, on any
/// machine.
///
/// Keys are snake_case, instants RFC 3339 in UTC, sizes in bytes, durations in seconds; a value that is not known is null. Keys that
/// a reader does not know are passed over, so later versions may add some under the same ``formatVersion``.
package struct BackupManifest: Sendable, Hashable {
    /// The version of the manifest's form that this code writes, and the newest that it reads.
    package static let currentFormatVersion = 1

    /// The version of the manifest's form.
    package var formatVersion: Int = Self.currentFormatVersion
    /// What the backup is called on the command line, unique in its folder.
    package var id: String
    /// The name of the dump's file.
    package var file: String
    /// The job that made it.
    package var job: String
    /// The run that made it.
    package var run: String
    /// The database's name on the server.
    package var database: String
    /// The machine that made it.
    package var host: String
    /// The server's version, `15.18`.
    package var serverVersion: String
    /// The programs that made it and their versions.
    package var programs: Programs
    /// When the run began to dump.
    package var startedAt: Instant
    /// When the dump was complete and on disk.
    package var endedAt: Instant
    /// From ``startedAt`` to ``endedAt`` by a monotonic clock, in seconds.
    package var duration: Double
    /// Bytes of the dump's file.
    package var size: Int64
    /// Bytes that pg_dump wrote, before compression.
    package var uncompressedSize: Int64
    /// Of the dump's file.
    package var sha256: String
    /// `zstd:3`.
    package var compression: String
    /// `custom`: what `pg_dump -Fc` writes.
    package var format: String = "custom"
    /// The database's encoding, as PostgreSQL calls it.
    package var encoding: String
    /// How the database sorts and classifies text.
    package var locale: Locale
    /// What the database occupied on the server, in bytes.
    package var databaseSize: Int64
    /// How many lines pg_dump and the compressor wrote to standard error.
    package var warnings: Int

    /// The versions of the programs that made a backup.
    package struct Programs: Sendable, Hashable {
        /// pg_dump's.
        package var pgDump: String
        /// The compressor's; `nil` if it did not say.
        package var zstd: String?

        /// Versions as the programs tell them.
        package init(pgDump: String, zstd: String?) {
            self.pgDump = pgDump
            self.zstd = zstd
        }
    }

    /// A database's locale, as `pg_database` has it.
    package struct Locale: Sendable, Hashable {
        /// `libc`, `icu` or `builtin`.
        package var provider: String
        /// `LC_COLLATE`.
        package var collate: String
        /// `LC_CTYPE`.
        package var ctype: String
        /// The locale of the provider, where it is not libc.
        package var name: String?

        /// A locale by its parts.
        package init(provider: String, collate: String, ctype: String, name: String?) {
            self.provider = provider
            self.collate = collate
            self.ctype = ctype
            self.name = name
        }
    }

    /// A manifest of known parts.
    package init(
        id: String, file: String, job: String, run: String, database: String, host: String, serverVersion: String,
        programs: Programs, startedAt: Instant, endedAt: Instant, duration: Double, size: Int64, uncompressedSize: Int64,
        sha256: String, compression: String, encoding: String, locale: Locale, databaseSize: Int64, warnings: Int
    ) {
        self.id = id
        self.file = file
        self.job = job
        self.run = run
        self.database = database
        self.host = host
        self.serverVersion = serverVersion
        self.programs = programs
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.duration = duration
        self.size = size
        self.uncompressedSize = uncompressedSize
        self.sha256 = sha256
        self.compression = compression
        self.encoding = encoding
        self.locale = locale
        self.databaseSize = databaseSize
        self.warnings = warnings
    }
}

// MARK: JSON

extension BackupManifest {
    /// Why a manifest cannot be used.
    package enum Unreadable: Error, Sendable, Hashable, CustomStringConvertible {
        /// It is no JSON, or a value is missing or of the wrong type.
        case malformed(String)
        /// A later version of the caretaker wrote it.
        case unknownFormat(Int)

        /// The reason, lower case, no final stop.
        package var description: String {
            switch self {
            case .malformed(let reason): "its manifest cannot be read: \(reason)"
            case .unknownFormat(let version):
                "its manifest is of format \(version), and this version of the caretaker knows \(currentFormatVersion)"
            }
        }
    }

    /// Reads a manifest's JSON.
    package init(json: [UInt8]) throws(Unreadable) {
        let decoder = JSONDecoder()
        let data = Data(json)
        do {
            // Asked first: a later form may have none of the other keys.
            let version = try decoder.decode(FormatVersion.self, from: data).format_version
            guard version <= Self.currentFormatVersion else { throw Unreadable.unknownFormat(version) }
            self = try decoder.decode(BackupManifest.self, from: data)
        } catch let error as Unreadable {
            throw error
        } catch let error as DecodingError {
            throw .malformed(Self.words(for: error))
        } catch {
            throw .malformed("\(error)")
        }
        guard Checksum.isValid(sha256) else { throw .malformed("sha256 is not a checksum") }
        guard size >= 0, uncompressedSize >= 0 else { throw .malformed("a size is negative") }
        guard !id.isEmpty, !database.isEmpty else { throw .malformed("a name is empty") }
    }

    /// The manifest's JSON, keys in their own order and a line each, with a newline at the end.
    package func json() throws(Unreadable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
        } catch {
            throw .malformed("\(error)")
        }
    }

    private struct FormatVersion: Decodable {
        let format_version: Int
    }

    private static func words(for error: DecodingError) -> String {
        let (path, reason): ([any CodingKey], String) =
            switch error {
            case .keyNotFound(let key, let context): (context.codingPath + [key], "is missing")
            case .valueNotFound(_, let context): (context.codingPath, "is null")
            case .typeMismatch(_, let context): (context.codingPath, "is of the wrong type")
            case .dataCorrupted(let context) where context.codingPath.isEmpty: ([], "it is no JSON")
            case .dataCorrupted(let context): (context.codingPath, context.debugDescription)
            @unknown default: ([], "\(error)")
            }
        let name = path.map(\.stringValue).joined(separator: ".")
        return name.isEmpty ? reason : "\(name) \(reason)"
    }
}

extension BackupManifest: Codable {
    private enum CodingKeys: String, CodingKey {
        case formatVersion = "format_version"
        case id, file, job, run, database, host
        case serverVersion = "server_version"
        case programs
        case startedAt = "started_at"
        case endedAt = "ended_at"
        case duration, size
        case uncompressedSize = "uncompressed_size"
        case sha256, compression, format, encoding, locale
        case databaseSize = "database_size"
        case warnings
    }
}

extension BackupManifest.Programs: Codable {
    private enum CodingKeys: String, CodingKey {
        case pgDump = "pg_dump"
        case zstd
    }

    /// Writes every key, null where nothing is known.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(pgDump, forKey: .pgDump)
        try container.encode(zstd, forKey: .zstd)
    }
}

extension BackupManifest.Locale: Codable {
    private enum CodingKeys: String, CodingKey {
        case provider, collate, ctype, name
    }

    /// Writes every key, null where nothing is known.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(provider, forKey: .provider)
        try container.encode(collate, forKey: .collate)
        try container.encode(ctype, forKey: .ctype)
        try container.encode(name, forKey: .name)
    }
}
