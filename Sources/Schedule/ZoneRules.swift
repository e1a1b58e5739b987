/// Why a zone file cannot be used.
package enum ZoneRulesError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The name is not one of a zone.
    case badIdentifier(String)
    /// The bytes are no TZif file (RFC 8536).
    case damaged(String)

    /// What is wrong.
    package var description: String {
        switch self {
        case .badIdentifier(let reason), .damaged(let reason): reason
        }
    }
}

/// The offsets of a time zone, past and to come, from a TZif file (RFC 8536, tzfile(5)).
package struct ZoneRules: Hashable, Sendable {
    /// A stretch of time with one offset.
    package struct Segment: Hashable, Sendable {
        /// Seconds east of UTC.
        package let offset: Int
        /// Whether the zone calls it daylight saving time.
        package let isDaylight: Bool
        /// What the zone calls it.
        package let abbreviation: String
        /// Its first second since the epoch; the smallest number if it has no beginning.
        package let start: Int64
        /// The first second after it; the largest number if it has no end.
        package let end: Int64
    }

    struct Kind: Hashable, Sendable {
        let offset: Int
        let isDaylight: Bool
        let abbreviation: String
    }

    /// The zone's name.
    package let identifier: String
    private let transitions: [Int64]
    private let kinds: [Kind]
    private let first: Kind
    private let rule: PosixZoneRule?

    /// Coordinated Universal Time.
    package static let utc = ZoneRules(
        identifier: "UTC", transitions: [], kinds: [], first: Kind(offset: 0, isDaylight: false, abbreviation: "UTC"),
        rule: nil)

    private init(identifier: String, transitions: [Int64], kinds: [Kind], first: Kind, rule: PosixZoneRule?) {
        self.identifier = identifier
        self.transitions = transitions
        self.kinds = kinds
        self.first = first
        self.rule = rule
    }

    /// Reads a TZif file of version 1 to 4.
    ///
    /// - Throws: ``ZoneRulesError/damaged(_:)``.
    package init(identifier: String, tzif: [UInt8]) throws(ZoneRulesError) {
        var reader = TZifReader(bytes: tzif)
        let file = try reader.read()
        var rule: PosixZoneRule?
        if !file.footer.isEmpty {
            guard let parsed = PosixZoneRule(file.footer) else {
                throw .damaged("its rule for the future cannot be read: \(file.footer)")
            }
            rule = parsed
        }
        self.init(
            identifier: identifier, transitions: file.transitions, kinds: file.transitionKinds.map { file.kinds[$0] },
            first: file.kinds[0], rule: rule)
    }

    /// Refuses what is no zone's name, above all what would leave the folder of the zone files.
    ///
    /// - Throws: ``ZoneRulesError/badIdentifier(_:)``.
    package static func validate(identifier: String) throws(ZoneRulesError) {
        let parts = identifier.split(separator: "/", omittingEmptySubsequences: false)
        let isPlain =
            !identifier.isEmpty && identifier.utf8.count <= 64
            && parts.allSatisfy { part in
                !part.isEmpty && part.first != "." && part.first != "-"
                    && part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_+-.".contains($0)) }
            }
        guard isPlain else { throw .badIdentifier("\"\(identifier)\" is not the name of a time zone") }
        guard parts[0] != "right", parts[0] != "posix" else {
            throw .badIdentifier("\"\(identifier)\" counts time in another way; give the name without \"\(parts[0])/\"")
        }
    }

    /// The offset at an instant.
    package func offset(at instant: Instant) -> (seconds: Int, isDaylight: Bool, abbreviation: String) {
        let segment = segment(at: instant.secondsSinceEpoch)
        return (segment.offset, segment.isDaylight, segment.abbreviation)
    }

    /// The instants in (after, through] at which the offset changes, and the offsets before and after.
    package func transitions(
        after: Instant, through: Instant
    ) -> [(at: Instant, before: Segment, after: Segment)] {
        var found: [(at: Instant, before: Segment, after: Segment)] = []
        var segment = segment(at: after.secondsSinceEpoch)
        while segment.end <= through.secondsSinceEpoch {
            let next = self.segment(at: segment.end)
            if next.offset != segment.offset { found.append((Instant(secondsSinceEpoch: segment.end), segment, next)) }
            segment = next
        }
        return found
    }

    /// The stretch of constant offset that a second since the epoch lies in.
    package func segment(at second: Int64) -> Segment {
        // The number of transitions at or before the second.
        var low = 0
        var high = transitions.count
        while low < high {
            let middle = (low + high) / 2
            if transitions[middle] <= second { low = middle + 1 } else { high = middle }
        }
        let start = low == 0 ? Int64.min : transitions[low - 1]
        if low == transitions.count, let rule {
            return rule.segment(at: second, notBefore: start)
        }
        let kind = low == 0 ? first : kinds[low - 1]
        return Segment(
            offset: kind.offset, isDaylight: kind.isDaylight, abbreviation: kind.abbreviation, start: start,
            end: low < transitions.count ? transitions[low] : .max)
    }

    /// What a time on the wall means.
    enum Resolution: Hashable {
        /// The first second since the epoch at which the wall shows it.
        case exists(Int64)
        /// The wall never shows it: the first second after the gap, and how long the gap is.
        case gap(end: Int64, length: Int)
    }

    /// What a time on the wall means, given as if it were UTC.
    func resolve(local: Int64) -> Resolution {
        // No offset is more than 26 hours from UTC, so the answer lies within two days.
        var segment = segment(at: local - 2 * 86400)
        while true {
            let second = local - Int64(segment.offset)
            if second < segment.start { return .gap(end: segment.start, length: 0) }
            if second < segment.end { return .exists(second) }
            let next = self.segment(at: segment.end)
            if local - Int64(next.offset) < segment.end {
                return .gap(end: segment.end, length: next.offset - segment.offset)
            }
            segment = next
        }
    }
}

/// The parts of a TZif file.
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
    }

    let bytes: [UInt8]
    private var index = 0

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func read() throws(ZoneRulesError) -> File {
        let first = try header()
        guard first.version >= UInt8(ascii: "2") else { return try block(first, width: 4) }
        // Later versions repeat everything with 64 bits; the first block is there for old readers only.
        index +=
            first.transitions * 5 + first.kinds * 6 + first.characters + first.leaps * 8 + first.standardFlags + first.utcFlags
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
            throw .damaged("it is not a TZif file")
        }
        let version = bytes[index + 4]
        index += 20
        var counts: [Int] = []
        for _ in 0..<6 { counts.append(Int(try number(4))) }
        guard counts.allSatisfy({ $0 >= 0 && $0 < 100_000 }), counts[4] > 0, counts[2] == 0 else {
            throw .damaged(counts[2] > 0 ? "it counts leap seconds" : "its counts make no sense")
        }
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
        var file = File()
        for _ in 0..<header.transitions { file.transitions.append(try number(width)) }
        for (left, right) in zip(file.transitions, file.transitions.dropFirst()) where left >= right {
            throw .damaged("its transitions are not in order")
        }
        guard index + header.transitions <= bytes.count else { throw .damaged("it is cut off") }
        for _ in 0..<header.transitions {
            file.transitionKinds.append(Int(bytes[index]))
            index += 1
        }
        var raw: [(offset: Int, isDaylight: Bool, name: Int)] = []
        for _ in 0..<header.kinds {
            let offset = Int(try number(4))
            guard index + 2 <= bytes.count, abs(offset) < 26 * 3600 else { throw .damaged("an offset makes no sense") }
            raw.append((offset, bytes[index] != 0, Int(bytes[index + 1])))
            index += 2
        }
        guard index + header.characters <= bytes.count, file.transitionKinds.allSatisfy({ $0 < raw.count }),
            raw.allSatisfy({ $0.name < header.characters })
        else { throw .damaged("it is cut off") }
        let names = bytes[index..<index + header.characters]
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
