import Command
import Foundation

/// Where the tests on a real systemd find what they need.
enum MachineEnvironment {
    /// The Debian tree that machines boot, made by the script `make-tree`. Without it these tests do not run.
    static let tree = ProcessInfo.processInfo.environment["PGCARETAKER_SYSTEM_TREE"].flatMap { $0.isEmpty ? nil : $0 }

    /// The folder of this file.
    static let folder = resolved((#filePath as NSString).deletingLastPathComponent)

    /// The top of the repository.
    static let repository = resolved("\(folder)/../..")

    /// The program under test: the one that was built along with these tests.
    static let program = "\((resolved("/proc/self/exe") as NSString).deletingLastPathComponent)/pgcaretaker"

    /// The folder of Swift's shared libraries, which a debug build of the program needs; the machine has no Swift.
    static let swiftLibraries: String? = kernelFile("/proc/self/maps")
        .split(separator: "\n")
        .first { $0.hasSuffix("/libswiftCore.so") }
        .flatMap { line in line.firstIndex(of: "/").map { String(line[$0...]) } }
        .map { ($0 as NSString).deletingLastPathComponent }

    /// The whole environment of everything that runs in a machine or boots one.
    static let variables = [
        "PATH": ExecutableSearch.standard.directories.joined(separator: ":"), "HOME": "/root", "LANG": "C.UTF-8",
        "SYSTEMD_PAGER": "cat", "SYSTEMD_COLORS": "0",
    ]

    /// The whole text of a file in /proc, or nothing if there is none. (Foundation's other ways to read a file stop
    /// after the first piece of one that says it is empty.)
    static func kernelFile(_ path: String) -> String {
        let data = try? FileHandle(forReadingFrom: URL(fileURLWithPath: path)).readToEnd()
        return String(decoding: data ?? Data(), as: UTF8.self)
    }

    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}
