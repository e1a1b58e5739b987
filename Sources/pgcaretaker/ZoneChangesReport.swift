import Report
import Schedule

/// The changes of the zones' offsets in the next 24 months, and what each does to schedules.
struct ZoneChangesReport {
    private static let months = 24

    private let schedules: [(job: String?, schedule: ZonedSchedule)]
    private let effects: [[ZoneChangeEffect]]

    init(of schedules: [(job: String?, schedule: ZonedSchedule)], after start: Instant) {
        self.schedules = schedules
        let end = start.later(byMonths: Self.months)
        effects = schedules.map { $0.schedule.effectsOfChanges(after: start, through: end) }
    }

    /// One object for each change and schedule.
    var json: JSONValue {
        .array(
            zip(schedules, effects).flatMap { entry, effects in
                effects.map { effect in
                    .object([
                        ("job", .optional(entry.job)), ("schedule", .text(entry.schedule.expression.text)),
                        ("timezone", .text(entry.schedule.zone.identifier)), ("at", .text(effect.change.at.rfc3339)),
                        ("offset_before", .integer(effect.change.offsetBefore)),
                        ("offset_after", .integer(effect.change.offsetAfter)), ("effect", .text(effect.kind.rawValue)),
                        ("count", .integer(effect.count)), ("first_wall_time", .optional(effect.firstWallTime)),
                        ("last_wall_time", .optional(effect.lastWallTime)),
                        ("fires", .array(effect.fires.map { .text($0.rfc3339(in: entry.schedule.zone)) })),
                    ])
                }
            })
    }

    /// A line for each change, and below it one for each schedule.
    var text: String {
        var zones: [String] = []
        for (_, schedule) in schedules where !zones.contains(schedule.zone.identifier) { zones.append(schedule.zone.identifier) }
        return zones.map { text(zone: $0) }.joined()
    }

    private func text(zone: String) -> String {
        let members = zip(schedules, effects).filter { $0.0.schedule.zone.identifier == zone }
        guard let changes = members.first?.1.map(\.change), !changes.isEmpty else {
            return "\(zone): no change of the offset in the next \(Self.months) months\n"
        }
        var text = ""
        for (index, change) in changes.enumerated() {
            let what = change.offsetAfter > change.offsetBefore ? "does not exist" : "comes twice"
            let ends = [change.wallBefore, change.wallAfter].sorted().map(Self.minutes)
            text += "\(zone), \(change.at.rfc3339): \(ends[0]) to \(ends[1]) \(what)\n"
            for (entry, effects) in members {
                let name = entry.job ?? "\"\(entry.schedule.expression.text)\""
                let kind = entry.schedule.expression.scheduleClass.rawValue
                text += "  \(name) (\(kind)): \(Self.sentence(effects[index]))\n"
            }
        }
        return text
    }

    private static func sentence(_ effect: ZoneChangeEffect) -> String {
        guard let first = effect.firstWallTime, let last = effect.lastWallTime else { return "no fire is touched" }
        let which =
            effect.count == 1
            ? "the fire of \(minutes(first))" : "\(effect.count) fires, \(minutes(first)) to \(minutes(last)),"
        let isOne = effect.count == 1
        switch effect.kind {
        case .none: return "no fire is touched"
        case .moved: return "\(which) \(isOne ? "comes" : "come") at \(minutes(effect.change.wallAfter)) instead"
        case .merged:
            return "\(which) \(isOne ? "comes" : "come") at \(minutes(effect.change.wallAfter)) instead, where all are one fire"
        case .skipped: return "\(which) \(isOne ? "does" : "do") not come"
        case .once: return "\(which) \(isOne ? "comes" : "come") once, on the first pass"
        case .doubled: return "\(which) \(isOne ? "comes" : "come") on both passes"
        }
    }

    /// Seconds are said only where there are any.
    private static func minutes(_ wallTime: String) -> String {
        wallTime.hasSuffix(":00") ? String(wallTime.dropLast(3)) : wallTime
    }
}

extension Instant {
    /// The same day and time of day in UTC so many months later; the last day of that month if it has no such day.
    fileprivate func later(byMonths months: Int) -> Instant {
        let day = microsecondsSinceEpoch >= 0 ? secondsSinceEpoch / 86400 : -((-secondsSinceEpoch + 86399) / 86400)
        let date = Civil.date(days: day)
        let month = date.year * 12 + date.month - 1 + months
        let year = month / 12
        let last = Civil.daysIn(month: month % 12 + 1, of: year)
        let later = Civil.days(year: year, month: month % 12 + 1, day: min(date.day, last))
        return self + .seconds((later - day) * 86400)
    }
}
