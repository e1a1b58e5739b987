import Command
import Postgres

/// What a client program of PostgreSQL needs to reach a database: its environment, and a password file that lives as long as this.
///
/// The password is in no argument and in no other child's environment. The file goes with this object, also after a failure and when the
/// task is cancelled.
final class ClientAccess: Sendable {
    /// What the program takes as `--dbname`, without a secret.
    let connectionString: String
    /// The whole environment of the program.
    let environment: [String: String]
    private let passfile: PrivatePassfile?

    /// Prepares the access of one program.
    ///
    /// - Parameters:
    ///   - applicationName: what `pg_stat_activity` shows, unless the target has a name of its own.
    ///   - environment: our own, secrets removed.
    ///   - directory: a folder that nobody else can read.
    init(
        to target: ConnectionTarget, applicationName: String, inheriting environment: [String: String], directory: String
    ) throws(JobError) {
        do throws(PrivatePassfileError) {
            passfile = try PrivatePassfile(for: target, in: directory)
        } catch {
            throw JobError(.fileSystem, error.description)
        }
        connectionString = target.connectionString
        var result = target.childEnvironment(passfile: passfile?.path, inheriting: environment)
        result["PATH"] = Self.path(in: environment)
        // What the programs say is read by programs, too.
        result["LC_ALL"] = "C"
        result["PGAPPNAME"] = result["PGAPPNAME"] ?? applicationName
        result["PGCONNECT_TIMEOUT"] = result["PGCONNECT_TIMEOUT"] ?? "10"
        self.environment = result
    }

    /// Removes the password file now.
    func remove() {
        passfile?.remove()
    }

    /// The folders to look for programs in.
    static func path(in environment: [String: String]) -> String {
        environment["PATH"] ?? ExecutableSearch.standard.directories.joined(separator: ":")
    }
}
