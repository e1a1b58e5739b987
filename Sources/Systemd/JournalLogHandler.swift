import CSystemd
import Glibc
import Logging

/// Writes log events to the journal with all their fields (sd_journal_sendv(3)).
package struct JournalLogHandler: LogHandler {
    /// How entries are sent; takes the fields and returns whether they arrived.
    package typealias Sink = @Sendable ([JournalFields.Field]) -> Bool

    /// Events below this level are not logged.
    package var logLevel: Logger.Level
    /// What is said of every event of this handler.
    package var metadata: Logger.Metadata = [:]
    /// What else is known at the time of an event.
    package var metadataProvider: Logger.MetadataProvider?
    private let identifier: String
    private let sink: Sink
    private let fallback: TextLogHandler

    /// A handler for the journal of this machine; `identifier` is what `journalctl -t` finds.
    package init(
        level: Logger.Level = .info, identifier: String = "pgcaretaker", provider: Logger.MetadataProvider? = nil,
        sink: @escaping Sink = JournalLogHandler.send, fallback: TextLogHandler = TextLogHandler(showsTime: false)
    ) {
        self.logLevel = level
        self.identifier = identifier
        self.metadataProvider = provider
        self.sink = sink
        self.fallback = fallback
    }

    /// Writes one event.
    package func log(event: LogEvent) {
        let metadata = Logger.Metadata.merged(metadata, provider: metadataProvider, event: event)
        if !sink(JournalFields.fields(of: event, metadata: metadata, identifier: identifier)) {
            // Standard error is a stream to the same journal: without the fields, but the line is there.
            fallback.write(event, metadata: metadata)
        }
    }

    /// One entry of ``metadata``.
    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Sends one entry to the journal. False if it could not be sent, as when the journal's socket has no room left.
    package static func send(_ fields: [JournalFields.Field]) -> Bool {
        // All fields in one buffer, then a slice of it for each: the addresses stay good for as long as the call lasts.
        var bytes: [UInt8] = []
        var ends: [Int] = []
        for field in fields {
            bytes += field.name.utf8
            bytes.append(UInt8(ascii: "="))
            bytes += field.value.utf8
            ends.append(bytes.count)
        }
        return bytes.withUnsafeMutableBytes { buffer in
            var start = 0
            let vectors = ends.map { end -> iovec in
                defer { start = end }
                return iovec(iov_base: buffer.baseAddress?.advanced(by: start), iov_len: end - start)
            }
            return sd_journal_sendv(vectors, Int32(vectors.count)) >= 0
        }
    }
}
