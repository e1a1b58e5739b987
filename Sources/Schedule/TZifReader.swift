/// Reads a TZif file (RFC 8536, RFC 9636, tzfile(5)).
///
/// The bytes are not trusted: every count is held against the length of the file before it is used, and everything that
/// is kept is in range, so that no arithmetic on it can overflow later.
struct TZifReader {
    struct File {
        var transitions: [Int64] = []
        var transitionKinds: [Int] = []
        var kinds: [ZoneRules.Kind] = []
        var footer = ""
    }

    private struct Header {
        let version: UInt8
        let utcFlags, standardFlags, leaps, transitions, kinds, characters: Int

        /// How many bytes follow, with instants of a width.
        func length(width: Int) -> Int {
            transitions * (width + 1) + kinds * 6 + characters + leaps * (width + 4) + standardFlags + utcFlags
        }
    }

    /// RFC 8536, section 3.2: no instant is earlier, as it would be before the Big Bang.
    private static let farthest: Int64 = 1 << 59

    let bytes: [UInt8]
    private var index = 0

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func read() throws(ZoneRulesError) -> File {
        let first = try header()
        guard first.version >= UInt8(ascii: "2") else { return try block(first, width: 4) }
        // Later versions repeat everything with 64 bits; the first block is there for old readers only.
        guard index + first.length(width: 4) <= bytes.count else { throw .damaged("it is cut off") }
        index += first.length(width: 4)
        let second = try header()
        var file = try block(second, width: 8)
        guard index < bytes.count, bytes[index] == UInt8(ascii: "\n"),
            let end = bytes[(index + 1)...].firstIndex(of: UInt8(ascii: "\n"))
        else { throw .damaged("it ends before its rule") }
        file.footer = String(decoding: bytes[(index + 1)..<end], as: UTF8.self)
        return file
    }

    private mutating func header() throws(ZoneRulesError) -> Header {
        guard index + 44 <= bytes.count, bytes[index..<index + 4].elementsEqual("TZif".utf8) else {
            throw .notTZif
        }
        let version = bytes[index + 4]
        index += 20
        var counts: [Int] = []
        for _ in 0..<6 { counts.append(Int(try number(4))) }
        guard counts[2] == 0 else { throw .damaged("it counts leap seconds") }
        // The flags say how a rule of POSIX would read the table; there is one for each kind, or none.
        guard counts.allSatisfy({ $0 >= 0 && $0 < 100_000 }), (1...256).contains(counts[4]), counts[5] > 0,
            [0, counts[4]].contains(counts[0]), [0, counts[4]].contains(counts[1])
        else { throw .damaged("its counts make no sense") }
        return Header(
            version: version, utcFlags: counts[0], standardFlags: counts[1], leaps: counts[2], transitions: counts[3],
            kinds: counts[4], characters: counts[5])
    }

    private mutating func number(_ width: Int) throws(ZoneRulesError) -> Int64 {
        guard index + width <= bytes.count else { throw .damaged("it is cut off") }
        var value: UInt64 = bytes[index] & 0x80 != 0 ? .max : 0
        for byte in bytes[index..<index + width] { value = value << 8 | UInt64(byte) }
        index += width
        return Int64(bitPattern: value)
    }

    private mutating func block(_ header: Header, width: Int) throws(ZoneRulesError) -> File {
        guard index + header.length(width: width) <= bytes.count else { throw .damaged("it is cut off") }
        var file = File()
        for _ in 0..<header.transitions { file.transitions.append(try number(width)) }
        guard file.transitions.allSatisfy({ (-Self.farthest...Self.farthest).contains($0) }) else {
            throw .damaged("a transition is beyond all time")
        }
        for (left, right) in zip(file.transitions, file.transitions.dropFirst()) where left >= right {
            throw .damaged("its transitions are not in order")
        }
        file.transitionKinds = bytes[index..<index + header.transitions].map(Int.init)
        index += header.transitions
        var raw: [(offset: Int, isDaylight: Bool, name: Int)] = []
        for _ in 0..<header.kinds {
            let offset = Int(try number(4))
            guard PosixZoneRule.offsets.contains(offset), bytes[index] <= 1 else {
                throw .damaged("an offset makes no sense")
            }
            raw.append((offset, bytes[index] != 0, Int(bytes[index + 1])))
            index += 2
        }
        let names = bytes[index..<index + header.characters]
        guard file.transitionKinds.allSatisfy({ $0 < raw.count }), raw.allSatisfy({ $0.name < header.characters }),
            names.last == 0
        else { throw .damaged("it refers to what is not there") }
        for kind in raw {
            let name = names[(index + kind.name)...].prefix { $0 != 0 }
            file.kinds.append(
                ZoneRules.Kind(
                    offset: kind.offset, isDaylight: kind.isDaylight, abbreviation: String(decoding: name, as: UTF8.self)))
        }
        index += header.characters + header.leaps * (width + 4) + header.standardFlags + header.utcFlags
        return file
    }
}
