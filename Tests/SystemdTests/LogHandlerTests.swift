import Logging
import Synchronization
import Testing

@testable import Systemd

private func event(
    _ level: Logger.Level = .info, _ message: String, _ metadata: Logger.Metadata? = nil, error: (any Error)? = nil
) -> LogEvent {
    LogEvent(
        level: level, message: "\(message)", error: error, metadata: metadata, source: "Tests", file: "Some/File.swift",
        function: "work()", line: 7)
}

private struct Broken: Error, CustomStringConvertible {
    var description: String { "it broke\nin two" }
}

/// Keeps what a handler hands on.
private final class Record<Element: Sendable>: Sendable {
    private let storage = Mutex<[Element]>([])
    var elements: [Element] { storage.withLock { $0 } }
    func add(_ element: Element) { storage.withLock { $0.append(element) } }
}

@Suite("JournalFields")
struct JournalFieldsTests {
    private func fields(_ event: LogEvent) -> [JournalFields.Field] {
        JournalFields.fields(of: event, metadata: event.metadata ?? [:], identifier: "pgcaretaker")
    }

    @Test("an event becomes the standard fields, its kind the MESSAGE_ID, other metadata fields of ours")
    func mapping() {
        let fields = fields(
            event(
                .error, "two\nlines",
                [
                    "event": "run-failed", "job": "nightly-backup", "rows_deleted": "\(12)", "error-code": "x.y",
                    "tags": ["a", "b"],
                ]
            ))
        #expect(
            fields == [
                .init("MESSAGE", "two\nlines"), .init("PRIORITY", "3"), .init("SYSLOG_IDENTIFIER", "pgcaretaker"),
                .init("CODE_FILE", "Some/File.swift"), .init("CODE_LINE", "7"), .init("CODE_FUNC", "work()"),
                .init("PGCARETAKER_ERROR_CODE", "x.y"), .init("MESSAGE_ID", JournalEvent.runFailed.messageID),
                .init("PGCARETAKER_JOB", "nightly-backup"), .init("PGCARETAKER_ROWS_DELETED", "12"),
                .init("PGCARETAKER_TAGS", "a"), .init("PGCARETAKER_TAGS", "b"),
            ])
    }

    @Test("an event of no known kind is not lost, nor is an error")
    func unknown() {
        let fields = fields(event(.info, "m", ["event": "new-kind"], error: Broken()))
        #expect(fields.contains(.init("PGCARETAKER_EVENT", "new-kind")))
        #expect(fields.contains(.init("PGCARETAKER_ERROR", "it broke\nin two")))
        #expect(!fields.contains { $0.name == "MESSAGE_ID" })
    }

    @Test(
        "names have only what the journal allows",
        arguments: [
            ("job", "PGCARETAKER_JOB"), ("run-id", "PGCARETAKER_RUN_ID"), ("a.b", "PGCARETAKER_A_B"),
            ("größe", "PGCARETAKER_GR__E"), ("a=b\n", "PGCARETAKER_A_B_"), ("_x9", "PGCARETAKER__X9"),
        ])
    func names(key: String, name: String) {
        #expect(JournalFields.name(for: key) == name)
    }

    @Test("a name that is too long is cut to what the journal takes")
    func longName() {
        #expect(JournalFields.name(for: String(repeating: "a", count: 100)).utf8.count == 64)
    }

    @Test(
        "levels have their syslog priority",
        arguments: zip(Logger.Level.allCases, [7, 7, 6, 5, 4, 3, 2]))
    func priority(level: Logger.Level, number: Int) {
        #expect(JournalFields.priority(of: level) == number)
    }
}

@Suite("JournalLogHandler")
struct JournalLogHandlerTests {
    @Test("the event's metadata wins over the provider's, and that over the handler's")
    func precedence() {
        let sent = Record<[JournalFields.Field]>()
        var handler = JournalLogHandler(
            provider: .init { ["b": "provider", "c": "provider"] },
            sink: {
                sent.add($0)
                return true
            })
        handler[metadataKey: "a"] = "handler"
        handler[metadataKey: "b"] = "handler"
        handler.log(event: event(.info, "m", ["c": "event"]))
        let ours = sent.elements[0].filter { $0.name.hasPrefix("PGCARETAKER_") }
        #expect(
            ours == [
                .init("PGCARETAKER_A", "handler"), .init("PGCARETAKER_B", "provider"), .init("PGCARETAKER_C", "event"),
            ])
    }

    @Test("what the journal does not take is written as text")
    func fallback() {
        let lines = Record<String>()
        let text = TextLogHandler(showsTime: false, sink: lines.add)
        let handler = JournalLogHandler(sink: { _ in false }, fallback: text)
        handler.log(event: event(.warning, "no room", ["job": "j"]))
        #expect(lines.elements == ["warning: j: no room\n"])
    }

    @Test("a logger passes on only what its level lets through, and handlers are values")
    func level() {
        let sent = Record<[JournalFields.Field]>()
        var first = Logger(label: "t") { _ in
            JournalLogHandler(
                level: .notice,
                sink: {
                    sent.add($0)
                    return true
                })
        }
        let second = first
        first[metadataKey: "only"] = "first"
        first.info("not this one")
        second.notice("this one")
        #expect(sent.elements.count == 1)
        #expect(!sent.elements[0].contains { $0.name == "PGCARETAKER_ONLY" })
    }

    @Test("sending does not fail where there is no journal, whatever the value")
    func send() {
        // sd_journal_sendv(3) takes a journal that is not there for success.
        #expect(
            JournalLogHandler.send([
                .init("MESSAGE", "a\nb\0c"), .init("PRIORITY", "7"), .init("SYSLOG_IDENTIFIER", "t"),
            ]))
    }
}

@Suite("TextLogHandler")
struct TextLogHandlerTests {
    @Test(
        "an event is one line with the job, the error's code and the hint",
        arguments: [
            (event(.info, "scheduler armed"), "info: scheduler armed"),
            (
                event(.warning, "took 5 s", ["job": "nightly-backup", "run_id": "r1", "event": "run-failed"]),
                "warning: nightly-backup: took 5 s"
            ),
            (
                event(.error, "no space left", ["job": "b", "error_code": "disk-full", "hint": "Make room."]),
                "error: b: no space left (disk-full); hint: Make room."
            ),
            (
                event(.error, "failed: no space left. Make room.", ["error_code": "disk-full", "hint": "Make room."]),
                "error: failed: no space left. Make room. (disk-full)"
            ),
            (event(.error, "bad", ["error-code": "c"]), "error: bad (c)"),
            (event(.error, "one\n\n  two\r\n\tthree\n"), "error: one | two | three"),
            (event(.critical, "\u{1b}[31mred\u{7}\0"), "critical: [31mred"),
            (event(.error, "failed", error: Broken()), "error: failed: it broke | in two"),
            (event(.info, "empty hint", ["hint": ""]), "info: empty hint"),
        ])
    func line(event: LogEvent, expected: String) {
        #expect(TextLogHandler.line(of: event, metadata: event.metadata ?? [:]) == expected)
    }

    @Test("off a terminal a line begins with the time")
    func time() {
        let lines = Record<String>()
        TextLogHandler(showsTime: true, now: { 1_774_746_000 }, sink: lines.add).log(event: event(.info, "m"))
        TextLogHandler(showsTime: false, sink: lines.add).log(event: event(.info, "m"))
        #expect(lines.elements == ["2026-03-29T01:00:00Z info: m\n", "info: m\n"])
    }

    @Test("the job of the handler's own metadata is named too")
    func ownMetadata() {
        let lines = Record<String>()
        var handler = TextLogHandler(showsTime: false, sink: lines.add)
        handler[metadataKey: "job"] = "cleanup"
        handler.log(event: event(.notice, "m"))
        #expect(lines.elements == ["notice: cleanup: m\n"])
    }
}

@Suite("LogDestination")
struct LogDestinationTests {
    @Test(
        "the journal is chosen only if standard error is the stream that JOURNAL_STREAM names",
        arguments: [
            ("9:1234", 9, 1234, false, .journal), ("9:1234", 9, 1235, false, .text(showsTime: true)),
            ("9:1234", 8, 1234, true, .text(showsTime: false)), ("9:1234", nil, nil, false, .text(showsTime: true)),
            (nil, 9, 1234, false, .text(showsTime: true)), ("", 9, 1234, false, .text(showsTime: true)),
            ("9:1234:1", 9, 1234, false, .text(showsTime: true)), (":", nil, nil, false, .text(showsTime: true)),
        ] as [(String?, UInt64?, UInt64?, Bool, LogDestination)])
    func choose(stream: String?, device: UInt64?, inode: UInt64?, isTerminal: Bool, expected: LogDestination) {
        #expect(
            LogDestination.choose(journalStream: stream, device: device, inode: inode, isTerminal: isTerminal)
                == expected)
    }

    @Test("each destination has its handler, at the level asked for")
    func handlers() {
        #expect(LogDestination.journal.handler(level: .debug) is JournalLogHandler)
        #expect(LogDestination.text(showsTime: true).handler(level: .debug) is TextLogHandler)
        #expect(LogDestination.journal.handler(level: .debug).logLevel == .debug)
        #expect(LogDestination.text(showsTime: true).handler(level: .debug).logLevel == .debug)
    }
}
