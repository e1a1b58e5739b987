/// The part of each local day in which a job may work: `"01:00-05:00"`, also over midnight, `"22:00-04:00"`.
package struct DailyWindow: Hashable, Sendable, CustomStringConvertible {
    /// Seconds after midnight, on the wall, at which it opens.
    let opening: Int64
    /// Seconds after midnight, on the wall, at which it closes; on the next day if that is not later.
    let closing: Int64
    /// The text it was read from.
    package let description: String

    /// Reads `HH:MM-HH:MM`; `nil` for anything else, and for a window that opens when it closes.
    package init?(_ text: String) {
        let sides = text.split(separator: "-", omittingEmptySubsequences: false).map { Self.time($0) }
        guard sides.count == 2, let opening = sides[0], let closing = sides[1], opening != closing, opening < 86400
        else { return nil }
        self.opening = opening
        self.closing = closing
        description = text
    }

    private static func time(_ text: Substring) -> Int64? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let hour = Int64(parts[0]), let minute = Int64(parts[1]), minute < 60, hour < 24 || (hour == 24 && minute == 0)
        else { return nil }
        return hour * 3600 + minute * 60
    }

    /// When the window that an instant lies in closes; `nil` if the instant lies in none.
    ///
    /// An edge that the wall never shows is at the end of the gap, a repeated one at the first of its passes, as for the
    /// fires of a schedule.
    package func end(at instant: Instant, in zone: ZoneRules) -> Instant? {
        let second = instant.secondsSinceEpoch
        let day = floorDivide(second + Int64(zone.segment(at: second).offset), 86400)
        // A window over midnight may have opened yesterday; where the clock jumps, a day more on either side is safe.
        for day in day - 1...day + 1 {
            let opens = edge(day * 86400 + opening, zone)
            let closes = edge(day * 86400 + closing + (closing > opening ? 0 : 86400), zone)
            if opens <= second, second < closes { return Instant(secondsSinceEpoch: closes) }
        }
        return nil
    }

    /// Whether an instant lies in the window.
    package func contains(_ instant: Instant, in zone: ZoneRules) -> Bool { end(at: instant, in: zone) != nil }

    private func edge(_ local: Int64, _ zone: ZoneRules) -> Int64 {
        switch zone.resolve(local: local) {
        case .exists(let second): second
        case .gap(let end, _): end
        }
    }
}
