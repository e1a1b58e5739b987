import Command
import Foundation

/// A folder of a test's own, removed with all that is in it when the test lets go of it.
///
/// Anybody may enter it (0755), so that a server or child that runs as another user reaches what it is given there.
package final class TemporaryFolder: Sendable {
    /// The absolute path, short enough for a socket.
    package let path: String

    /// Makes a folder in `/tmp`.
    package init(_ name: String = "test") throws {
        path = "/tmp/pgcaretaker-\(name)-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The path of something in the folder.
    package func path(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file into the folder, with its folders, and gives its path.
    @discardableResult
    package func write(_ text: String, to name: String, mode: Int = 0o644) throws -> String {
        let file = path(name)
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
        return file
    }
}
