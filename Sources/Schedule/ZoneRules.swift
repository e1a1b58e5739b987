/// Why a zone file cannot be used.
package enum ZoneRulesError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The name is not one of a zone.
    case badIdentifier(String)
    /// The bytes do not begin as a TZif file does (RFC 8536).
    case notTZif
    /// The bytes begin as a TZif file does, but are not one.
    case damaged(String)

    /// What is wrong.
    package var description: String {
        switch self {
        case .badIdentifier(let reason), .damaged(let reason): reason
        case .notTZif: "it is not a TZif file"
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
    /// - Throws: ``ZoneRulesError/notTZif`` or ``ZoneRulesError/damaged(_:)``.
    package init(identifier: String, tzif: [UInt8]) throws(ZoneRulesError) {
        var reader = TZifReader(bytes: tzif)
        let file = try reader.read()
        var rule: PosixZoneRule?
        if !file.footer.isEmpty {
            guard let parsed = PosixZoneRule(file.footer) else {
                throw .damaged("its rule for the future cannot be read: \(CronParser.quoted(file.footer))")
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
        guard isPlain else { throw .badIdentifier("\(CronParser.quoted(identifier)) is not the name of a time zone") }
        guard parts[0] != "right" else {
            throw .badIdentifier("\"\(identifier)\" counts time in another way, with leap seconds; leave out \"right/\"")
        }
        guard parts[0] != "posix" else {
            throw .badIdentifier("\"\(identifier)\" is a zone by its second name; leave out \"posix/\"")
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
        // No offset is more than 26 hours from UTC, so a search that begins two days before misses no first pass.
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

extension ZoneRules {
    /// The first instant at which the wall shows a time, given in seconds as if it were UTC; behind a gap its end.
    package func instant(ofLocal local: Int64) -> Instant {
        switch resolve(local: local) {
        case .exists(let second): Instant(secondsSinceEpoch: second)
        case .gap(let end, _): Instant(secondsSinceEpoch: end)
        }
    }
}
