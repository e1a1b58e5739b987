import Postgres

extension BackupJob {
    /// What would keep a backup from being made or from being read again: folder, programs, privileges, row-level security.
    package func findings(in context: JobContext) async throws(JobError) -> [Finding] {
        var findings: [Finding] = []
        let directory = options.directory
        switch await BlockingWork.run({ () throws(Never) in BackupFolder.condition(of: directory) }) {
        case .ready(let isOpenToOthers):
            if isOpenToOthers {
                findings.append(
                    .warning(
                        "others may look into \(directory)",
                        hint: "Close it with `chmod 0700 \(directory)`; the dumps themselves are 0600."))
            }
        case .missing: break
        case .unfit(let reason, let hint): findings.append(.error(reason, hint: hint))
        }
        let path = ClientAccess.path(in: context.childEnvironment)
        do throws(JobError) {
            _ = try Zstandard.find(path: path)
        } catch {
            findings.append(.error(error))
        }
        if context.database.target.viaPooler {
            findings.append(
                .warning(
                    "the connection goes through a pooler, and a dump needs a session of its own",
                    hint: "Give this database a URL that leads to the server directly."))
        }
        let connection = try await context.connect(lockTimeout: options.lockTimeout)
        let result = await databaseFindings(connection, path: path)
        await connection.close()
        findings += try result.get()
        return findings
    }

    private func databaseFindings(_ connection: PostgresConnection, path: String) async -> Result<[Finding], JobError> {
        do throws(JobError) {
            var findings: [Finding] = []
            let search = ClientPrograms.Search(directory: options.programDirectory, path: path)
            let major = connection.serverVersion / 10_000
            do throws(JobError) {
                let programs = try await ClientPrograms.find(search, serverMajor: major)
                if programs.restore == nil {
                    findings.append(
                        .error(
                            "there is no pg_restore beside \(programs.dump), so that backups can be neither verified nor restored",
                            hint: "Install Debian's package postgresql-client-\(programs.version.major)."))
                }
                if programs.version.major > major {
                    findings.append(
                        .warning(
                            "pg_dump \(programs.version) is newer than the server, which is PostgreSQL \(major)",
                            hint: "A pg_restore of that version will be needed; postgresql-client-\(major) would fit better."))
                }
            } catch {
                if error.code == .cancelled { throw error }
                findings.append(.error(error))
            }
            let unreadable = try await BackupQueries.relations(connection, BackupQueries.unreadable)
            if !unreadable.isEmpty {
                findings.append(
                    .error(
                        "the role \(connection.user) may not read \(Self.list(unreadable)), so that pg_dump would fail",
                        hint: "Let it read everything: GRANT pg_read_all_data TO \(quoteIdentifier(connection.user));",
                        code: .permissionDenied))
            }
            let hidden = try await BackupQueries.relations(connection, BackupQueries.hiddenByRowSecurity)
            if !hidden.isEmpty {
                findings.append(
                    .error(
                        "row-level security hides rows of \(Self.list(hidden)) from the role \(connection.user), so that pg_dump would fail",
                        hint: "A dump must see every row: ALTER ROLE \(quoteIdentifier(connection.user)) BYPASSRLS;",
                        code: .permissionDenied))
            }
            return .success(findings)
        } catch {
            return .failure(error)
        }
    }

    /// The first few names, and how many more there are.
    private static func list(_ names: [String]) -> String {
        let shown = names.prefix(3).joined(separator: ", ")
        return names.count > 3 ? "\(shown) and \(HumanText.count(Int64(names.count - 3), "other"))" : shown
    }
}
