import Glibc
import Logging

/// Where log events go: to the journal if that is where standard error leads, else to standard error as text.
package enum LogDestination: Sendable, Hashable {
    /// The journal, with all fields.
    case journal
    /// Standard error; a terminal needs no time stamps.
    case text(showsTime: Bool)

    /// Decides as systemd.exec(5) tells to: `JOURNAL_STREAM` holds the device and inode of the stream that the service
    /// manager connected to the journal. If standard error is another file, somebody redirected it on purpose.
    ///
    /// - Parameters:
    ///   - journalStream: The value of `JOURNAL_STREAM`.
    ///   - device: The device number of standard error (fstat(2)), or nil if it is closed.
    ///   - inode: Its inode number.
    ///   - isTerminal: Whether standard error is a terminal.
    package static func choose(
        journalStream: String?, device: UInt64?, inode: UInt64?, isTerminal: Bool
    ) -> LogDestination {
        let numbers = journalStream?.split(separator: ":", omittingEmptySubsequences: false).map { UInt64($0) }
        if let numbers, numbers.count == 2, let device, let inode, numbers[0] == device, numbers[1] == inode {
            return .journal
        }
        return .text(showsTime: !isTerminal)
    }

    /// The destination for this process as it was started.
    package static func ofProcess() -> LogDestination {
        var status = stat()
        let isOpen = fstat(STDERR_FILENO, &status) == 0
        return choose(
            journalStream: getenv("JOURNAL_STREAM").map { String(cString: $0) },
            device: isOpen ? UInt64(status.st_dev) : nil, inode: isOpen ? UInt64(status.st_ino) : nil,
            isTerminal: isatty(STDERR_FILENO) == 1)
    }

    /// A handler that logs to this destination, for `LoggingSystem.bootstrap`.
    package func handler(
        level: Logger.Level = .info, identifier: String = "pgcaretaker", provider: Logger.MetadataProvider? = nil
    ) -> any LogHandler {
        switch self {
        case .journal: JournalLogHandler(level: level, identifier: identifier, provider: provider)
        case .text(let showsTime): TextLogHandler(level: level, showsTime: showsTime, provider: provider)
        }
    }
}
