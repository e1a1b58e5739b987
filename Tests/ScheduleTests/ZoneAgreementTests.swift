import Schedule
import Testing

@Suite("Zone rules beside Python's")
struct ZoneAgreementTests {
    private static let first = "1970-01-01T00:00:00Z"
    private static let last = "2100-01-01T00:00:00Z"

    /// Python looks every four days, and then for the second at which the offset changes: it is told nothing by us.
    private static let script = """
        import sys
        from datetime import datetime
        from zoneinfo import ZoneInfo
        def offset(zone, at):
            return int(datetime.fromtimestamp(at, zone).utcoffset().total_seconds())
        for line in sys.stdin:
            name, first, last, probes = line.rstrip("\\n").split("\\t")
            first, last = int(first), int(last)
            zone = ZoneInfo(name)
            changes = []
            before, at = offset(zone, first), first
            while at < last:
                later = min(at + 4 * 86400, last)
                after = offset(zone, later)
                if after != before:
                    low, high = at, later
                    while high - low > 1:
                        middle = (low + high) // 2
                        if offset(zone, middle) == before: low = middle
                        else: high = middle
                    changes.append(f"{high}:{before}:{offset(zone, high)}")
                at, before = later, after
            known = ",".join(str(offset(zone, int(probe))) for probe in probes.split(","))
            print(name, ",".join(changes), known, sep="\\t")
        """

    @Test("every zone of the host changes its offset when Python says so, from 1970 to 2100", .timeLimit(.minutes(2)))
    func allZones() async throws {
        let first = try #require(Instant(rfc3339: Self.first))
        let last = try #require(Instant(rfc3339: Self.last))
        var generator = SeededGenerator(state: 7)
        var probes: [String: [Int64]] = [:]
        var input: [String] = []
        for name in HostZones.distinct {
            let rules = try zone(name)
            let changes = rules.changes(after: first, through: last)
            var instants = changes.flatMap { [$0.at.secondsSinceEpoch - 1, $0.at.secondsSinceEpoch, $0.at.secondsSinceEpoch + 1] }
            let range = first.secondsSinceEpoch...last.secondsSinceEpoch
            for _ in 0..<50 { instants.append(Int64.random(in: range, using: &generator)) }
            probes[name] = instants
            input.append(
                "\(name)\t\(first.secondsSinceEpoch)\t\(last.secondsSinceEpoch)\t\(instants.map(String.init).joined(separator: ","))"
            )
        }
        #expect(input.count > 300)
        // Half to each of two interpreters.
        let halves = (Array(input[..<(input.count / 2)]), Array(input[(input.count / 2)...]))
        async let front = OtherPrograms.python(Self.script, input: halves.0)
        async let back = OtherPrograms.python(Self.script, input: halves.1)
        let answers = try await front + back
        #expect(answers.count == input.count)
        var compared = 0
        for answer in answers {
            let parts = answer.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            let rules = try zone(parts[0])
            let changes = rules.changes(after: first, through: last)
                .map { "\($0.at.secondsSinceEpoch):\($0.offsetBefore):\($0.offsetAfter)" }.joined(separator: ",")
            #expect(changes == parts[1], "\(parts[0])")
            let offsets = (probes[parts[0]] ?? []).map { rules.offset(at: Instant(secondsSinceEpoch: $0)).seconds }
            #expect(offsets.map(String.init).joined(separator: ",") == parts[2], "\(parts[0])")
            compared += offsets.count
        }
        #expect(compared > 50_000)
    }

    @Test("every stretch begins where the one before ends, in the table and by the rule")
    func stretches() throws {
        var generator = SeededGenerator(state: 8)
        let since = try #require(Instant(rfc3339: Self.first)).secondsSinceEpoch
        for name in HostZones.distinct {
            let rules = try zone(name)
            for _ in 0..<20 {
                let second = Int64.random(in: since...5_000_000_000, using: &generator)
                let stretch = rules.segment(at: second)
                #expect(stretch.start <= second && second < stretch.end)
                if stretch.start != .min { #expect(rules.segment(at: stretch.start) == stretch, "\(name) \(second)") }
                if stretch.start != .min { #expect(rules.segment(at: stretch.start - 1).end == stretch.start, "\(name) \(second)") }
                if stretch.end != .max { #expect(rules.segment(at: stretch.end).start == stretch.end, "\(name) \(second)") }
            }
        }
    }
}
