/// Reads along while an archive of pg_dump's custom format (`-Fc`) passes by, and tells at its end whether all of it came.
///
/// Exit statuses prove that the programs were content; this proves that what passed is whole. An archive begins with its table of
/// contents, which says for each entry whether data follows. Then comes a block per such entry: its kind, the entry's number, and
/// pieces, each after its length, the last one of length nothing. So an archive that was cut off anywhere lacks the end of a block
/// or a whole block. The pieces themselves are skipped, so that it costs next to nothing, holds no more memory than the table of
/// contents has entries, and works for whatever compression the pieces have.
///
/// The format is not documented but by what writes it (PostgreSQL's src/bin/pg_dump: pg_backup_archiver.c for the head and the
/// table of contents, pg_backup_custom.c for the blocks); every pg_restore since 2001 reads it. Layouts that this code does not
/// know are not guessed at: see ``Verdict/unknownLayout(_:)``.
struct ArchiveInspector: Sendable {
    /// What can be said at the end of the archive.
    enum Verdict: Sendable, Hashable {
        /// All that the table of contents promises has come.
        case complete(Contents)
        /// Something is missing or out of place; this says what.
        case broken(String)
        /// The archive is of a version that this code does not know; only a pg_restore of that version can tell.
        case unknownLayout(String)
    }

    /// What the head of an archive and its blocks tell.
    struct Contents: Sendable, Hashable {
        /// The database that was dumped.
        var database = ""
        /// The server's version, as pg_dump notes it.
        var serverVersion = ""
        /// pg_dump's version.
        var dumpVersion = ""
        /// How many entries the table of contents has.
        var entries = 0
        /// How many of them have data.
        var dataEntries = 0
    }

    /// The fields of an entry of the table of contents, in order.
    enum Field: Int {
        case dumpID, hadDumper, tableOID, oid, tag, description, section, definition, dropStatement, copyStatement, namespace
        case tablespace, accessMethod, relationKind, owner, withOIDs, dependency, offset
    }

    /// Where we are; each case says what the next item is.
    enum State {
        case magic
        case compression
        case date(remaining: Int)
        case headLength(Int)
        case headText(Int)
        case entryCount
        case number(Field)
        case textLength(Field)
        case tag
        case offset
        case blockKind
        case blockID
        case pieceLength
        case largeObject
        case over
    }

    /// How many bytes have passed.
    private(set) var bytes: Int64 = 0

    var state = State.magic
    /// The item at hand, as far as it has come, if it did not come in one go.
    private var item: [UInt8] = []
    /// How many bytes the item has.
    private var wanted = Self.magicSize
    /// How many bytes to pass over before the next item.
    private var skip: Int64 = 0

    var verdictReached: Verdict?
    var contents = Contents()
    var minorVersion: UInt8 = 0
    var integerSize = 4
    var offsetSize = 8
    var entriesLeft = 0
    var entryID = 0
    var entryTag = ""
    /// The entries whose data is still to come, by their number, and what to call them.
    var awaited: [Int: String] = [:]
    /// Whether the pieces are those of a large object, after which another may follow.
    var isInLargeObjects = false

    /// "PGDMP", three bytes of version, the sizes of integers and offsets, the format.
    static let magicSize = 11

    init() {}

    /// Takes the next bytes.
    mutating func take(_ buffer: UnsafeRawBufferPointer) {
        bytes += Int64(buffer.count)
        guard verdictReached == nil else { return }
        var position = 0
        while position < buffer.count {
            if skip > 0 {
                let step = Int(min(skip, Int64(buffer.count - position)))
                position += step
                skip -= Int64(step)
                continue
            }
            // A table is one piece per row in older versions of pg_dump, so this is where the time goes.
            if case .pieceLength = state, item.isEmpty, integerSize == 4, buffer.count - position >= 5,
                buffer[position] == 0
            {
                let length = UInt32(littleEndian: buffer.loadUnaligned(fromByteOffset: position + 1, as: UInt32.self))
                if length > 0, length <= UInt32(Int32.max) {
                    position += 5
                    skip = Int64(length)
                    continue
                }
            }
            let step = min(wanted - item.count, buffer.count - position)
            item.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[position..<position + step]))
            position += step
            guard item.count == wanted else { return }
            let whole = item
            item.removeAll(keepingCapacity: true)
            handle(whole)
            guard verdictReached == nil else { return }
        }
    }

    /// What can be said now that no more bytes come.
    func verdict() -> Verdict {
        if let verdictReached { return verdictReached }
        guard bytes > 0 else { return .broken("pg_dump wrote nothing") }
        guard case .blockKind = state, item.isEmpty, skip == 0 else {
            switch state {
            case .blockKind, .blockID, .pieceLength, .largeObject:
                return .broken("the dump ends in the middle of a table's data, after \(HumanText.bytes(bytes))")
            default:
                return .broken("the dump ends within its table of contents, after \(HumanText.bytes(bytes))")
            }
        }
        guard awaited.isEmpty else {
            let names = awaited.sorted { $0.key < $1.key }.prefix(3).map(\.value).joined(separator: ", ")
            let missing = HumanText.count(Int64(awaited.count), "entry", "entries")
            return .broken("the dump lacks the data of \(missing) of its table of contents: \(names)")
        }
        return .complete(contents)
    }

    // MARK: Steps

    /// What comes next, and how long it is.
    mutating func expect(_ next: State, size: Int, after skipped: Int64 = 0) {
        state = next
        wanted = size
        skip = skipped
    }

    /// The size of an integer: a byte for its sign, then its amount.
    var integerWidth: Int { integerSize + 1 }

    mutating func fail(_ reason: String) {
        verdictReached = .broken(reason)
    }

    /// An integer as the archive has it: a byte that is not zero for a negative one, then the amount, the lowest byte first.
    func integer(_ item: [UInt8]) -> Int {
        var amount = 0
        for byte in item.dropFirst().reversed() { amount = amount &<< 8 | Int(byte) }
        return item[0] == 0 ? amount : -amount
    }
}
