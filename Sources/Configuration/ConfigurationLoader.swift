import Foundation
import Glibc
import Jobs
import Postgres
import Schedule

/// Why there is no configuration: everything that is wrong with it, in one go.
package struct ConfigurationErrors: Error, Sendable {
    /// Errors and warnings, by file and line.
    package let problems: [ConfigurationProblem]
}

/// Reads the configuration file and its drop-ins.
package struct ConfigurationLoader: Sendable {
    /// Where the configuration is unless a command says otherwise.
    package static let defaultPath = "/etc/pgcaretaker/pgcaretaker.toml"

    private let path: String
    private let environment: [String: String]
    private let zones: ZoneFiles

    /// - Parameters:
    ///   - path: the main file; `conf.d/*.toml` beside it is laid over it in name order.
    ///   - environment: of the process, for `DATABASE_URL`, `STATE_DIRECTORY` and `CREDENTIALS_DIRECTORY`.
    package init(path: String, environment: [String: String], zones: ZoneFiles = ZoneFiles()) {
        self.path = path
        self.environment = environment
        self.zones = zones
    }

    /// The configuration as the files have it now.
    ///
    /// - Throws: ``ConfigurationErrors`` with every error of every file.
    package func load() throws(ConfigurationErrors) -> Configuration {
        var validator = Validator(zones: zones)
        var tree: ConfigurationNode?
        let files = filePaths()
        for file in files {
            do throws(ConfigurationProblem) {
                let node = try ConfigurationNode.parse(try read(file), file: file)
                tree = tree?.overlaid(by: node) ?? node
            } catch {
                validator.report(error)
            }
        }
        var builder = ConfigurationBuilder(
            validator: validator, files: files, environment: environment, zones: zones, mainFile: path)
        let configuration = tree.flatMap { builder.build($0) }
        let problems = builder.validator.problems.sorted { $0.location < $1.location }
        guard let configuration, !problems.contains(where: { !$0.isWarning }) else {
            throw ConfigurationErrors(problems: problems)
        }
        return configuration
    }

    private func filePaths() -> [String] {
        let folder = (path as NSString).deletingLastPathComponent
        let dropIns = "\(folder.isEmpty ? "." : folder)/conf.d"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: dropIns)) ?? []
        // A required suffix keeps an editor's backup files out, a leading dot its swap files.
        return [path]
            + names.filter { $0.hasSuffix(".toml") && !$0.hasPrefix(".") }
            .sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }.map { "\(dropIns)/\($0)" }
    }

    private func read(_ file: String) throws(ConfigurationProblem) -> String {
        let whole = SourceLocation(file: file, line: 0)
        var status = stat()
        guard stat(file, &status) == 0 else {
            throw ConfigurationProblem(
                whole, key: nil, "cannot be read: \(String(cString: strerror(errno)))",
                hint: errno == ENOENT ? "give its path with --config, or copy the default configuration there" : nil)
        }
        // As cron does: who may write the file may run what it likes with the daemon's rights.
        guard status.st_mode & 0o002 == 0 else {
            throw ConfigurationProblem(whole, key: nil, "everybody may write to it", hint: "run chmod o-w \(file)")
        }
        guard let data = FileManager.default.contents(atPath: file) else {
            throw ConfigurationProblem(
                whole, key: nil, "cannot be read", hint: "run the command as root or as the service's user")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw ConfigurationProblem(whole, key: nil, "is not UTF-8 text")
        }
        return text
    }
}
