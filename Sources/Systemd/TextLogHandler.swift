import Glibc
import Logging

/// Writes log events as one line of text each, for a terminal, a pipe or a file.
///
/// `warning: nightly-backup: message (code); hint: What to do.`: the job, the error's code and the hint come from the
/// metadata keys `job`, `error_code` and `hint`. Other metadata is for the journal and left out.
package struct TextLogHandler: LogHandler {
    /// Events below this level are not logged.
    package var logLevel: Logger.Level
    /// What is said of every event of this handler.
    package var metadata: Logger.Metadata = [:]
    /// What else is known at the time of an event.
    package var metadataProvider: Logger.MetadataProvider?
    private let showsTime: Bool
    private let now: @Sendable () -> Int
    private let sink: @Sendable (String) -> Void

    /// A handler for standard error.
    ///
    /// - Parameters:
    ///   - showsTime: Whether lines begin with the time in UTC; on a terminal nobody needs it.
    ///   - now: The seconds since 1970.
    ///   - sink: Takes one line with its newline.
    package init(
        level: Logger.Level = .info, showsTime: Bool, provider: Logger.MetadataProvider? = nil,
        now: @escaping @Sendable () -> Int = { time(nil) },
        sink: @escaping @Sendable (String) -> Void = TextLogHandler.writeToStandardError
    ) {
        self.logLevel = level
        self.showsTime = showsTime
        self.metadataProvider = provider
        self.now = now
        self.sink = sink
    }

    /// Writes one event.
    package func log(event: LogEvent) {
        write(event, metadata: .merged(metadata, provider: metadataProvider, event: event))
    }

    /// One entry of ``metadata``.
    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes the line of an event whose metadata is complete.
    func write(_ event: LogEvent, metadata: Logger.Metadata) {
        let stamp = showsTime ? Self.timeStamp(now()) + " " : ""
        sink(stamp + Self.line(of: event, metadata: metadata) + "\n")
    }

    /// The text of an event, without time and newline.
    package static func line(of event: LogEvent, metadata: Logger.Metadata) -> String {
        func value(_ key: String) -> String? {
            // Keys may be spelt with either of these; the journal makes no difference between them.
            for spelling in [key, String(key.map { $0 == "_" ? "-" : $0 }), String(key.map { $0 == "_" ? "." : $0 })] {
                if let text = metadata[spelling].map({ folded($0.description) }), !text.isEmpty { return text }
            }
            return nil
        }
        var line = "\(event.level.rawValue): "
        if let job = value("job") { line += "\(job): " }
        line += folded(event.message.description)
        if let error = event.error { line += ": " + folded("\(error)") }
        if let code = value("error_code") { line += " (\(code))" }
        // Where only the message is shown, as by journalctl, it has the hint in it already.
        if let hint = value("hint"), !line.contains(hint) { line += "; hint: \(hint)" }
        return line
    }

    /// The text on one line: its lines are joined by " | ". Control characters, which could lead a terminal astray, are
    /// left out.
    private static func folded(_ text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if scalar == "\n" || scalar == "\t" {
                scalars.append(scalar)
            } else if scalar.properties.generalCategory != .control {
                scalars.append(scalar)
            }
        }
        return String(scalars).split(separator: "\n").map { line in
            let words = line.split { $0 == " " || $0 == "\t" }
            return words.joined(separator: " ")
        }.filter { !$0.isEmpty }.joined(separator: " | ")
    }

    /// RFC 3339 in UTC with whole seconds.
    private static func timeStamp(_ seconds: Int) -> String {
        var seconds = time_t(seconds)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            let count = strftime(buffer.baseAddress, buffer.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
            return String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }

    /// Writes to standard error, whole lines at a time where the kernel allows it. A standard error that is gone is no
    /// reason to fail.
    package static func writeToStandardError(_ line: String) {
        var rest = Array(line.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if count < 0 && errno != EINTR { return }
            rest = rest.dropFirst(max(0, count))
        }
    }
}
