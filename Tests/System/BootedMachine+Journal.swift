import Command

/// What systemd itself reports about a unit, by the MESSAGE_ID of the entry (sd-messages.h); the unit is in `UNIT=`.
enum UnitEvent: String {
    case started = "39f53479d3a045ac8e11786248231fbf"
    case stopped = "9d1aaa27d60140bd96365438aad20286"
    case reloaded = "7b05ebc668384222baa8881179cfda54"
    case failedToStart = "be02cf6855d2428ba40df7e9d022f03d"
    case failed = "d9b373ed55a64feb8242e02dbe79a49c"
    case processExited = "98e322203f7a4ed290d09fe03c09fe15"
    case restartScheduled = "5eb03494b6584870a536b337290809b3"
}

extension BootedMachine {
    /// The entries of the journal, oldest first.
    ///
    /// - Parameters:
    ///   - matches: as for journalctl(1): `FIELD=value`; different fields must all match, of one field any value.
    ///   - cursor: only what came after this place; see ``journalEnd()``.
    func journal(_ matches: String..., after cursor: String? = nil) async throws -> [JournalEntry] {
        try await journal(matches, after: cursor)
    }

    /// The entries of the journal; see ``journal(_:after:)-(String...,_)``.
    func journal(_ matches: [String], after cursor: String? = nil) async throws -> [JournalEntry] {
        try await demand("journalctl", "--sync")
        return try await demand(journalctl(matches, after: cursor)).split(separator: "\n")
            .map { try JournalEntry(json: String($0)) }
            .filter { $0.cursor != cursor }
    }

    /// The place where the journal ends now, to wait for what comes after it.
    func journalEnd() async throws -> String {
        try await demand("journalctl", "--sync")
        let prefix = "-- cursor: "
        let lines = try await demand("journalctl", "--quiet", "--lines=0", "--show-cursor").split(separator: "\n")
        guard let line = lines.last(where: { $0.hasPrefix(prefix) }) else { throw MachineError("the journal is empty") }
        return String(line.dropFirst(prefix.count))
    }

    /// Waits until an entry that matches is in the journal, and gives it; at once if one is there already.
    ///
    /// - Parameters:
    ///   - matches: as for ``journal(_:after:)-(String...,_)``.
    ///   - cursor: only what came after this place; without it, also what came before the call.
    ///   - deadline: how long to wait before this throws ``MachineError``, with the journal's last lines.
    ///   - condition: what matches cannot express.
    func awaitEntry(
        _ matches: String..., after cursor: String? = nil, deadline: Duration = .seconds(60),
        where condition: @escaping @Sendable (JournalEntry) -> Bool = { _ in true }
    ) async throws -> JournalEntry {
        let lines = LineSplitter()
        let errors = Collected()
        let follow = pipeline(
            journalctl(matches, after: cursor) + ["--follow", "--no-tail"], deadline: deadline)
        let end: PipelineResult
        do {
            end = try await follow.run(
                output: .stream { bytes in
                    for line in lines.take(bytes) {
                        let entry = try JournalEntry(json: line)
                        if entry.cursor != cursor, condition(entry) { throw Found(entry: entry) }
                    }
                }, onErrorLine: { _, line in errors.append(line + "\n") })
        } catch .sinkFailed(let error) {
            guard let found = error as? Found else { throw error }
            return found.entry
        } catch .deadlineExceeded {
            let tail = try await run("journalctl", "--no-pager", "--lines=40").standardOutput
            throw MachineError("no entry \(matches) within \(deadline); the journal ends with\n\(tail)")
        }
        throw MachineError("journalctl ended by itself, \(end.stages[0].termination): \(errors.text)")
    }

    /// Waits until systemd reports this of a unit.
    @discardableResult
    func awaitEvent(
        _ event: UnitEvent, of unit: String, after cursor: String? = nil, deadline: Duration = .seconds(60)
    ) async throws -> JournalEntry {
        try await awaitEntry("MESSAGE_ID=\(event.rawValue)", "UNIT=\(unit)", after: cursor, deadline: deadline)
    }

    /// The command that reads from the cursor on, its own entry included if that matches. (`--after-cursor` of systemd
    /// 252 always leaves one entry out, even if it is not the cursor's own, which does not match.)
    private func journalctl(_ matches: [String], after cursor: String?) -> [String] {
        ["journalctl", "--quiet", "--no-pager", "--all", "--output=json"]
            + (cursor.map { ["--cursor=\($0)"] } ?? [])
            + matches
    }
}

/// Ends the reading of a journal that would go on for ever.
private struct Found: Error {
    var entry: JournalEntry
}
