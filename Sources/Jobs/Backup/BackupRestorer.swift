import Command
import Logging
import Postgres
import Schedule

/// Restores a backup into a database of its own name, in such a way that a half-restored one never bears that name.
///
/// The rows go into a database under a temporary name, which is renamed once pg_restore has succeeded with every error fatal. A
/// database that is replaced keeps its rows under another name, `NAME_before_restore_20261124T020000Z`: only a person drops it.
package struct BackupRestorer: Sendable {
    /// How a database was restored.
    package struct Outcome: Sendable, Hashable {
        /// The database that the backup is in now.
        package let database: String
        /// What the database that was there before is called now, if there was one.
        package let replaced: String?
        /// What went well enough, but should be known.
        package let warnings: [String]
    }

    /// The server, as whom, and the database to be in while databases are made and renamed (not the one that is restored).
    package let target: ConnectionTarget
    /// Looks for programs and checks the checksum.
    package let verifier: BackupVerifier
    /// A folder that nobody else can read, for the password file.
    package let privateDirectory: String
    /// The wall clock, for the name of a database that is replaced.
    package let clock: any JobClock

    /// A restorer to a server.
    package init(target: ConnectionTarget, verifier: BackupVerifier, privateDirectory: String, clock: any JobClock) {
        self.target = target
        self.verifier = verifier
        self.privateDirectory = privateDirectory
        self.clock = clock
    }

    /// Restores.
    ///
    /// - Parameters:
    ///   - database: the name that the restored database is to have.
    ///   - replacing: whether a database of that name may be put aside.
    /// - Throws: ``JobError`` of code `database-exists`, `backup-damaged`, `permission-denied` or of a program; there is no database that
    ///   was not there before then, and the one that was to be replaced is as it was.
    package func restore(_ backup: Backup, into database: String, replacing: Bool = false) async throws(JobError) -> Outcome {
        guard !database.isEmpty, database.utf8.count <= 63, !database.unicodeScalars.contains("\0") else {
            throw JobError(
                .badConfiguration, "\"\(database)\" is no name for a database", hint: "A name has 1 to 63 bytes.")
        }
        let reader = try await verifier.reader(for: backup)
        let administration = try await administrate()
        let result = await self.result(backup, into: database, replacing: replacing, reader: reader, administration)
        await administration.close()
        return try result.get()
    }

    private func result(
        _ backup: Backup, into database: String, replacing: Bool, reader: ArchiveReader, _ administration: PostgresConnection
    ) async -> Result<Outcome, JobError> {
        do throws(JobError) {
            try await refuseIfThere(database, replacing: replacing, administration)
            // Before anything is made: a restore takes far longer than this.
            try await verifier.checkSum(backup)
            let temporary = Self.name(database, suffix: "_restoring_\(String(UInt32.random(in: 0 ... .max), radix: 16))")
            var warnings = try await create(temporary, like: backup.manifest, administration)
            do throws(JobError) {
                let keepsOwners = try await canKeepOwners(backup, reader, administration)
                try await fill(temporary, from: backup, reader, keepsOwners: keepsOwners)
                if !keepsOwners {
                    warnings.append(
                        "everything in it belongs to \(administration.user), who may not act for all of the roles that owned it; restored by a superuser it keeps its owners"
                    )
                }
                warnings += await analyze(temporary)
                let replaced = try await swap(temporary, into: database, replacing: replacing, administration)
                return .success(Outcome(database: database, replaced: replaced, warnings: warnings))
            } catch {
                return .failure(await drop(temporary, after: error, from: administration.database))
            }
        } catch {
            return .failure(error)
        }
    }

    // MARK: Steps

    /// Connects to a database that is not the one to be made or renamed: `postgres`, else the target's own.
    private func administrate() async throws(JobError) -> PostgresConnection {
        let options = SessionOptions(applicationName: "pgcaretaker restore", lockTimeout: .seconds(10))
        do throws(PostgresError) {
            return try await PostgresConnection.connect(to: target.with(database: "postgres"), options: options)
        } catch {
            guard !error.isCancelled, !error.isConnectionLost, target.database != "postgres" else {
                throw JobError(connecting: error, to: target.with(database: "postgres"))
            }
        }
        do throws(PostgresError) {
            return try await PostgresConnection.connect(to: target, options: options)
        } catch {
            throw JobError(connecting: error, to: target)
        }
    }

    private func refuseIfThere(
        _ database: String, replacing: Bool, _ administration: PostgresConnection
    ) async throws(JobError) {
        let found = try await asking("asking for the database \(database)") { () throws(PostgresError) in
            try await administration.query(
                """
                SELECT pg_catalog.pg_has_role(datdba, 'USAGE') AS owned, datistemplate AS template
                FROM pg_catalog.pg_database WHERE datname = $1
                """, [.text(database)])
        }
        guard let row = found.first else { return }
        guard replacing else {
            throw JobError(
                .databaseExists, "the database \(database) exists",
                hint: "Name another one, or say --replace to put it aside under another name.")
        }
        guard database != administration.database, row.bool("template") != true else {
            throw JobError(
                .databaseExists, "the database \(database) cannot be replaced, because databases are made and renamed from it",
                hint: "Restore into another name.")
        }
        guard row.bool("owned") == true else {
            throw JobError(
                .permissionDenied, "the role \(administration.user) does not own the database \(database), so it cannot replace it",
                hint: "Restore as the owner, or into another name.")
        }
    }

    /// Makes the database with the encoding and the locale of the one that was dumped.
    private func create(
        _ database: String, like manifest: BackupManifest, _ administration: PostgresConnection
    ) async throws(JobError) -> [String] {
        // template0, because what an administrator has put into template1 would be in the way of what the dump brings.
        let base =
            "CREATE DATABASE \(quoteIdentifier(database)) TEMPLATE template0 ENCODING \(quoteLiteral(manifest.encoding))"
        do throws(PostgresError) {
            try await administration.query(base + Self.localeClause(manifest.locale))
            return []
        } catch {
            // Another machine may not have the locale; rows are the same, only sorted differently.
            guard let state = error.sqlState, Self.unknownLocale.contains(state) else { throw creation(error) }
            do throws(PostgresError) {
                try await administration.query(base)
            } catch {
                throw creation(error)
            }
            return [
                "the server does not know the locale \(manifest.locale.collate) of the database that was dumped (\(error.message)), so text is sorted as in its own"
            ]
        }
    }

    private func creation(_ error: PostgresError) -> JobError {
        if error.sqlState == .insufficientPrivilege {
            return JobError(
                .permissionDenied, "the role may not make databases: \(error.message)",
                hint: "Give it CREATEDB, or restore as another role.",
                sqlState: error.sqlState?.rawValue)
        }
        return JobError(error, while: "making a database")
    }

    /// What a server says to a locale that it does not have: invalid_parameter_value, wrong_object_type (15), undefined_object.
    private static let unknownLocale: Set<SQLState> = [.invalidParameterValue, "42809", .undefinedObject]

    static func localeClause(_ locale: BackupManifest.Locale) -> String {
        let libc = " LC_COLLATE \(quoteLiteral(locale.collate)) LC_CTYPE \(quoteLiteral(locale.ctype))"
        return switch (locale.provider, locale.name) {
        case ("icu", let name?): " LOCALE_PROVIDER icu ICU_LOCALE \(quoteLiteral(name))\(libc)"
        case ("builtin", let name?): " LOCALE_PROVIDER builtin BUILTIN_LOCALE \(quoteLiteral(name))\(libc)"
        default: libc
        }
    }

    /// Whether whoever restores may act for every role that owns something in the dump. (ALTER … OWNER wants that; a role that this
    /// server does not have cannot own anything either.)
    private func canKeepOwners(
        _ backup: Backup, _ reader: ArchiveReader, _ administration: PostgresConnection
    ) async throws(JobError) -> Bool {
        let roles = try await asking("asking for whom the role may act") { () throws(PostgresError) in
            try await administration.query(
                "SELECT rolname FROM pg_catalog.pg_roles WHERE pg_catalog.pg_has_role(current_user, oid, 'MEMBER')"
            ).compactMap { $0[0] }
        }
        let contents: String
        do throws(JobError) {
            contents = try await reader.contents(of: backup.dumpPath)
        } catch {
            guard error.code == .backupDamaged else { throw error }
            // The restore itself will tell it better.
            return true
        }
        // The owner is the last word of a line, and may have blanks in it; entries that nobody owns end with a blank.
        return contents.split(separator: "\n").filter { !$0.hasPrefix(";") && !$0.hasSuffix(" ") }
            .allSatisfy { line in roles.contains { line.hasSuffix(" \($0)") } }
    }

    private func fill(
        _ database: String, from backup: Backup, _ reader: ArchiveReader, keepsOwners: Bool
    ) async throws(JobError) {
        let access = try ClientAccess(
            to: target.with(database: database), applicationName: "pgcaretaker restore", inheriting: verifier.environment,
            directory: privateDirectory)
        defer { access.remove() }
        verifier.progress.report(Progress(phase: "restoring", completed: 0, unit: .bytes))
        let pipeline = Pipeline([
            Program(
                executable: reader.zstd, arguments: ["-q", "-d", "-c"], environment: ["PATH": reader.path, "LC_ALL": "C"]),
            Program(
                executable: reader.restore,
                arguments: ["--exit-on-error", "--no-password"] + (keepsOwners ? [] : ["--no-owner"])
                    + ["--dbname=\(access.connectionString)"],
                environment: access.environment),
        ])
        let result: PipelineResult
        do throws(PipelineError) {
            result = try await pipeline.run(input: .file(backup.dumpPath), output: .discard)
        } catch {
            throw JobError(error, doing: "the restore")
        }
        if let failure = result.firstFailure { throw JobError(failure, doing: "the restore") }
    }

    /// A dump brings no statistics before PostgreSQL 18, and without them the first queries are slow.
    private func analyze(_ database: String) async -> [String] {
        do throws(PostgresError) {
            let connection = try await PostgresConnection.connect(
                to: target.with(database: database), options: SessionOptions(applicationName: "pgcaretaker restore"))
            verifier.progress.report(Progress(phase: "gathering statistics", completed: 0, unit: .tables))
            let result: PostgresError?
            do throws(PostgresError) {
                try await connection.query("ANALYZE")
                result = nil
            } catch {
                result = error
            }
            await connection.close()
            if let result { throw result }
            return []
        } catch {
            return error.isCancelled ? [] : ["statistics could not be gathered: \(error.message)"]
        }
    }

    /// Gives the database its final name, in one transaction with putting aside the one that bears it.
    private func swap(
        _ temporary: String, into database: String, replacing: Bool, _ administration: PostgresConnection
    ) async throws(JobError) -> String? {
        guard !Task.isCancelled else { throw .cancelled }
        let isThere = try await asking("asking for the database \(database)") { () throws(PostgresError) in
            try await administration.query("SELECT FROM pg_catalog.pg_database WHERE datname = $1", [.text(database)])
        }
        let aside = Self.name(database, suffix: "_before_restore_" + BackupName.stamp(clock.now(), 1))
        var statements = ["ALTER DATABASE \(quoteIdentifier(temporary)) RENAME TO \(quoteIdentifier(database))"]
        if !isThere.isEmpty {
            guard replacing else {
                throw JobError(.databaseExists, "the database \(database) has been made by somebody else in the meantime")
            }
            statements.insert("ALTER DATABASE \(quoteIdentifier(database)) RENAME TO \(quoteIdentifier(aside))", at: 0)
        }
        // A session in the database keeps it from being renamed. New ones come at once, so a few attempts are made.
        var attempt = 1
        while true {
            do throws(PostgresError) {
                if !isThere.isEmpty {
                    try await administration.query(
                        """
                        SELECT pg_catalog.pg_terminate_backend(pid, 5000) FROM pg_catalog.pg_stat_activity
                        WHERE datname = $1 AND pid <> pg_catalog.pg_backend_pid() AND backend_type = 'client backend'
                        """, [.text(database)])
                }
                try await administration.simple(statements.joined(separator: "; "))
                return isThere.isEmpty ? nil : aside
            } catch {
                guard error.sqlState == .objectInUse, attempt < 5 else { throw inUse(error, database) }
                attempt += 1
            }
        }
    }

    private func inUse(_ error: PostgresError, _ database: String) -> JobError {
        guard error.sqlState == .objectInUse || error.sqlState == .insufficientPrivilege else {
            return JobError(error, while: "renaming the restored database")
        }
        return JobError(
            .locked, "the database \(database) is in use, so it cannot be put aside: \(error.message)",
            hint: "Stop the application first, then restore again.", sqlState: error.sqlState?.rawValue, details: error.detail)
    }

    /// Removes what was half restored, also in a task that has been cancelled, and returns the error to tell.
    private func drop(_ database: String, after cause: JobError, from other: String) async -> JobError {
        let target = target
        let failure = await Task.detached { () -> PostgresError? in
            do throws(PostgresError) {
                let connection = try await PostgresConnection.connect(
                    to: target.with(database: other), options: SessionOptions(applicationName: "pgcaretaker restore"))
                let result: PostgresError?
                do throws(PostgresError) {
                    try await connection.query("DROP DATABASE IF EXISTS \(quoteIdentifier(database)) WITH (FORCE)")
                    result = nil
                } catch {
                    result = error
                }
                await connection.close()
                return result
            } catch {
                return error
            }
        }.value
        guard let failure else { return cause }
        return JobError(
            cause.code, "\(cause.message); the database \(database) is left behind and could not be dropped: \(failure.message)",
            hint: cause.hint ?? "Drop it by hand.", sqlState: cause.sqlState, isWorthRetrying: cause.isWorthRetrying,
            details: cause.details)
    }

    /// A name with a suffix within PostgreSQL's 63 bytes, cut between characters.
    static func name(_ name: String, suffix: String) -> String {
        var result = name
        while result.utf8.count + suffix.utf8.count > 63 { result.removeLast() }
        return result + suffix
    }
}
