import Foundation
import Jobs
import Postgres
import Schedule

/// Makes a configuration of a tree: defaults, zones, URLs, and what the kinds have to say.
struct ConfigurationBuilder {
    var validator: Validator
    let files: [String]
    let environment: [String: String]
    let zones: ZoneFiles
    let mainFile: String
    private var values: [String: OptionValue] = [:]

    init(validator: Validator, files: [String], environment: [String: String], zones: ZoneFiles, mainFile: String) {
        self.validator = validator
        self.files = files
        self.environment = environment
        self.zones = zones
        self.mainFile = mainFile
    }

    mutating func build(_ tree: ConfigurationNode) -> Configuration? {
        guard case .table(let top) = tree.value else { return nil }
        let root = OptionValues(
            validator.options(
                of: top, as: ConfigurationSchema.root, path: "", location: tree.location,
                ignoring: ["database", "databases", "jobs"]))
        note(root.all, prefix: "")
        let zone = self.zone(named: root.text("timezone"), tree)
        let databases = databases(top, tree, envFile: root.text("env_file"), envNode: top["env_file"])
        let jobs = jobs(top, zone: zone ?? .utc, databases: databases)
        guard let zone else { return nil }
        return Configuration(
            files: files, zone: zone,
            stateDirectory: root.text("state_directory") ?? firstPath(environment["STATE_DIRECTORY"]) ?? "/var/lib/pgcaretaker",
            maxParallelJobs: root.integer("max_parallel_jobs") ?? 2,
            coordination: root.text("coordination").flatMap { Coordination(rawValue: $0) } ?? .none,
            logLevel: root.text("log_level") ?? "info",
            historyKeep: root.duration("history_keep") ?? .seconds(400 * 86400),
            databases: databases.compactMapValues { $0 }, jobs: jobs,
            warnings: validator.problems.filter(\.isWarning), values: values)
    }

    /// systemd gives several folders apart by colons.
    private func firstPath(_ list: String?) -> String? {
        list.flatMap { $0.split(separator: ":").first.map(String.init) }
    }

    private mutating func zone(named name: String?, _ tree: ConfigurationNode) -> ZoneRules? {
        // A zone of the file that is not one has been reported where it stands.
        do throws(ZoneFiles.Failure) {
            if let name { return try zones.rules(named: name) }
            return try zones.hostRules()
        } catch {
            validator.report(
                ConfigurationProblem(
                    tree.location, key: "timezone", "the host's zone cannot be used: \(error.reason)", hint: error.hint))
            return nil
        }
    }

    // MARK: - Databases

    /// Every database by name; one whose URL is wrong is `nil`, so that its name is known all the same.
    private mutating func databases(
        _ top: [String: ConfigurationNode], _ tree: ConfigurationNode, envFile: String?, envNode: ConfigurationNode?
    ) -> [String: DatabaseAccess?] {
        var variables: [String: String] = [:]
        if let envFile {
            if let data = FileManager.default.contents(atPath: envFile) {
                variables = EnvFile.parse(String(decoding: data, as: UTF8.self))
            } else {
                validator.report(
                    ConfigurationProblem(
                        envNode?.location ?? tree.location, key: "env_file", "\"\(envFile)\" cannot be read",
                        hint: "check that it exists and that the service's user may read it"))
            }
        }
        if let single = top["database"], top["databases"] != nil {
            validator.report(
                ConfigurationProblem(
                    single.location, key: "database", "both [database] and [databases.NAME]",
                    hint: "move it to [databases.main]"))
        }
        var found: [String: DatabaseAccess?] = [:]
        if let several = top["databases"] {
            guard case .table(let entries) = several.value, !entries.isEmpty else {
                validator.report(
                    ConfigurationProblem(
                        several.location, key: "databases", "\(several.typeName) where tables are wanted",
                        hint: "write [databases.NAME]"))
                return [:]
            }
            for (name, node) in entries {
                found[name] = .some(
                    database(name, node, key: "databases.\(name)", variables: variables, credential: "database-url-\(name)"))
            }
        } else {
            let node = top["database"] ?? ConfigurationNode(value: .table([:]), location: tree.location)
            found["main"] = .some(database("main", node, key: "database", variables: variables, credential: "database-url"))
        }
        return found
    }

    private mutating func database(
        _ name: String, _ node: ConfigurationNode, key: String, variables: [String: String], credential: String
    ) -> DatabaseAccess? {
        guard case .table(let entries) = node.value else {
            validator.report(
                ConfigurationProblem(node.location, key: key, "\(node.typeName) where a table is wanted", hint: "write [\(key)]"))
            return nil
        }
        if !isName(name) {
            validator.report(
                ConfigurationProblem(
                    node.location, key: key, "\"\(name)\" is no name for a database",
                    hint: "use letters, digits, '-', '_' and '.'"))
            return nil
        }
        let options = OptionValues(
            validator.options(of: entries, as: ConfigurationSchema.database, path: key, location: node.location))
        note(options.all, prefix: "\(key).")
        if entries["url"] != nil, options.text("url") == nil { return nil }
        do throws(ConnectionURLError) {
            guard let target = try target(options, variables: variables, credential: credential) else {
                validator.report(
                    ConfigurationProblem(
                        node.location, key: "\(key).url", "missing",
                        hint:
                            "give url = \"postgresql:///DATABASE\", DATABASE_URL in env_file, or a credential named \(options.text("credential") ?? credential)"
                    ))
                return nil
            }
            for notice in target.notices where notice.level == .warning {
                validator.report(
                    ConfigurationProblem(
                        entries["url"]?.location ?? node.location, key: "\(key).url", notice.message, isWarning: true))
            }
            values["\(key).(connection)"] = .integer(Int64(target.hashValue))
            return DatabaseAccess(name: name, target: target, timestamps: options.text("timestamps") ?? "UTC")
        } catch {
            validator.report(
                ConfigurationProblem(
                    entries["url"]?.location ?? node.location, key: "\(key).url", error.message, hint: error.hint))
            return nil
        }
    }

    private func target(
        _ options: OptionValues, variables: [String: String], credential: String
    ) throws(ConnectionURLError) -> ConnectionTarget? {
        if let url = options.text("url") { return try ConnectionTarget(url: url) }
        let variable = options.text("url_variable") ?? "DATABASE_URL"
        for source in [environment, variables] {
            if variable == "DATABASE_URL" {
                if let chosen = try ConnectionTarget.choose(from: source) { return chosen.target }
            } else if let url = source[variable], !url.isEmpty {
                return try ConnectionTarget(url: url)
            }
        }
        guard let folder = environment["CREDENTIALS_DIRECTORY"],
            let data = FileManager.default.contents(atPath: "\(folder)/\(options.text("credential") ?? credential)")
        else { return nil }
        let url = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return try ConnectionTarget(url: url)
    }

    // MARK: - Jobs

    private mutating func jobs(
        _ top: [String: ConfigurationNode], zone: ZoneRules, databases: [String: DatabaseAccess?]
    ) -> [JobConfiguration] {
        guard let node = top["jobs"] else {
            validator.report(
                ConfigurationProblem(
                    SourceLocation(file: mainFile, line: 0), key: "jobs", "no job is configured, so nothing will run",
                    hint: "add a table such as [jobs.nightly-backup]", isWarning: true))
            return []
        }
        guard case .table(let entries) = node.value else {
            validator.report(
                ConfigurationProblem(
                    node.location, key: "jobs", "\(node.typeName) where tables are wanted", hint: "write [jobs.NAME]"))
            return []
        }
        let jobs = entries.sorted { $0.value.location < $1.value.location }.compactMap {
            job($0.key, $0.value, siblings: entries, zone: zone, databases: databases)
        }
        checkOrder(of: jobs, among: entries)
        for job in jobs where job.job is BackupJob { checkNames(of: job, in: entries, databases) }
        return jobs
    }

    /// Refuses a backup job on two databases that bear one name, on two servers: by job and name it is told whose a backup is, so
    /// that the one's would be pruned for the other's.
    private mutating func checkNames(
        of job: JobConfiguration, in entries: [String: ConfigurationNode], _ databases: [String: DatabaseAccess?]
    ) {
        var known: [String?: String] = [:]
        for name in job.databases {
            guard let access = databases[name] ?? nil else { continue }
            let real = access.target.database
            if let other = known[real] {
                var place = job.location
                if case .table(let options)? = entries[job.name]?.value { place = options["databases"]?.location ?? place }
                validator.report(
                    ConfigurationProblem(
                        place, key: "jobs.\(job.name).databases",
                        "\"\(other)\" and \"\(name)\" are both called \(real ?? "as their user") by their servers, so that one's backups would be taken for the other's",
                        hint: "give each a backup job of its own"))
            }
            known[real] = name
        }
    }

    /// Refuses jobs that wait for one that there is not, or for each other.
    private mutating func checkOrder(of jobs: [JobConfiguration], among entries: [String: ConfigurationNode]) {
        let after = Dictionary(
            jobs.map { ($0.name, $0.after) }, uniquingKeysWith: { first, _ in first })
        let disabled = Set(jobs.filter { !$0.isEnabled }.map(\.name))
        for job in jobs {
            guard let named = job.after else { continue }
            let key = "jobs.\(job.name).after"
            guard entries[named] != nil else {
                let nearest = Nearest.word(to: named, among: entries.keys.filter { $0 != job.name })
                validator.report(
                    ConfigurationProblem(
                        job.location, key: key, "there is no job \"\(named)\"",
                        hint: nearest.map { "did you mean \"\($0)\"?" } ?? "name a job of this configuration"))
                continue
            }
            if job.isEnabled, disabled.contains(named) {
                validator.report(
                    ConfigurationProblem(
                        job.location, key: key, "\"\(named)\" is disabled, so that this job never runs",
                        hint: "enable it, or take after away", isWarning: true))
            }
            var next: String? = named
            var steps = 0
            while let name = next, name != job.name, steps <= jobs.count {
                next = after[name] ?? nil
                steps += 1
            }
            if next == job.name {
                validator.report(
                    ConfigurationProblem(
                        job.location, key: key, "the job would wait for itself", hint: "break the circle of after"))
            }
        }
    }

    private mutating func job(
        _ name: String, _ node: ConfigurationNode, siblings: [String: ConfigurationNode], zone: ZoneRules,
        databases: [String: DatabaseAccess?]
    ) -> JobConfiguration? {
        let key = "jobs.\(name)"
        guard case .table(var entries) = node.value else {
            validator.report(
                ConfigurationProblem(node.location, key: key, "\(node.typeName) where a table is wanted", hint: "write [\(key)]"))
            return nil
        }
        inheritSchedule(&entries, siblings)
        guard isName(name) else {
            validator.report(
                ConfigurationProblem(
                    node.location, key: key, "\"\(name)\" is no name for a job", hint: "use letters, digits, '-', '_' and '.'"))
            return nil
        }
        var kind: (any Job.Type)?
        if case .text(let word) = entries["kind"]?.value { kind = JobKinds.named(word) }
        guard let kind else {
            // What else the table may hold depends on its kind, so only the kind is spoken of.
            _ = validator.options(
                of: entries.filter { $0.key == "kind" }, as: ConfigurationSchema.job.filter { $0.name == "kind" }, path: key,
                location: node.location)
            return nil
        }
        let before = validator.problems.count
        var raw = validator.options(of: entries, as: ConfigurationSchema.job + kind.options, path: key, location: node.location)
        note(raw, prefix: "\(key).")
        var jobZone = zone
        if case .text(let named) = raw["timezone"], let rules = try? zones.rules(named: named) { jobZone = rules }
        raw["timezone"] = .text(jobZone.identifier)
        let options = OptionValues(raw)
        let schedule = self.schedule(options, entries, node, key: key, zone: jobZone)
        let window = self.window(options, entries, key: key)
        let chosen = self.databases(options, entries, node, key: key, known: databases.keys.sorted())
        guard !validator.problems[before...].contains(where: { !$0.isWarning }) else { return nil }
        var problems: [OptionProblem] = []
        let job = kind.init(name: name, options: options, problems: &problems)
        for problem in problems {
            let place = entries[String(problem.key.prefix { $0 != "." })]?.location ?? node.location
            validator.report(
                ConfigurationProblem(
                    place, key: "\(key).\(problem.key)", problem.reason, hint: problem.hint, isWarning: problem.isWarning))
        }
        guard let job, let schedule, let chosen else { return nil }
        return JobConfiguration(
            name: name, kind: kind.kind, job: job, isEnabled: options.boolean("enabled") ?? true, schedule: schedule,
            databases: chosen, timeout: options.duration("timeout"), retries: options.integer("retries") ?? 3,
            retryDelay: options.duration("retry_delay") ?? .seconds(60),
            catchesUp: options.boolean("catch_up") ?? kind.catchesUpByDefault,
            catchUpWithin: options.duration("catch_up_within"), splay: options.duration("splay"), window: window,
            group: options.text("group"), after: options.text("after"), location: node.location)
    }

    /// A job that names none has the schedule of the job that it runs after, and that one's zone.
    private func inheritSchedule(
        _ entries: inout [String: ConfigurationNode], _ siblings: [String: ConfigurationNode]
    ) {
        var steps = 0
        var after = entries["after"]
        while entries["schedule"] == nil, steps < siblings.count, case .text(let name) = after?.value,
            case .table(let other) = siblings[name]?.value
        {
            entries["schedule"] = other["schedule"]
            if entries["timezone"] == nil { entries["timezone"] = other["timezone"] }
            after = other["after"]
            steps += 1
        }
    }

    private mutating func window(
        _ options: OptionValues, _ entries: [String: ConfigurationNode], key: String
    ) -> DailyWindow? {
        guard let text = options.text("window"), let node = entries["window"] else { return nil }
        guard let window = DailyWindow(text) else {
            validator.report(
                ConfigurationProblem(
                    node.location, key: "\(key).window", "\"\(text)\" is no window",
                    hint: "write two different times of day, such as \"01:00-05:00\" or \"22:00-04:00\""))
            return nil
        }
        return window
    }

    private mutating func schedule(
        _ options: OptionValues, _ entries: [String: ConfigurationNode], _ job: ConfigurationNode, key: String, zone: ZoneRules
    ) -> ZonedSchedule? {
        guard let node = entries["schedule"] else {
            validator.report(
                ConfigurationProblem(
                    job.location, key: "\(key).schedule", "missing", hint: "give \(OptionType.schedule.expectation)"))
            return nil
        }
        guard let text = options.text("schedule") else { return nil }
        do throws(CronExpressionError) {
            let rule = options.text("days").flatMap(CronExpression.DayRule.init) ?? .vixie
            let expression = try CronExpression(text, days: rule)
            for warning in expression.warnings {
                validator.report(
                    ConfigurationProblem(
                        node.location, key: "\(key).schedule", warning.message, hint: warning.hint, isWarning: true))
            }
            return ZonedSchedule(expression: expression, zone: zone)
        } catch {
            validator.report(
                ConfigurationProblem(node.location, key: "\(key).schedule", error.message, hint: error.accepted))
            return nil
        }
    }

    private mutating func databases(
        _ options: OptionValues, _ entries: [String: ConfigurationNode], _ node: ConfigurationNode, key: String,
        known: [String]
    ) -> [String]? {
        let single = options.text("database")
        let several = options.texts("databases")
        if single != nil, several != nil {
            validator.report(
                ConfigurationProblem(
                    entries["databases"]?.location ?? node.location, key: "\(key).databases",
                    "both database and databases", hint: "keep one of them"))
            return nil
        }
        let named = single.map { [$0] } ?? several ?? (known.count == 1 ? known : [])
        guard !named.isEmpty else {
            if entries["databases"] == nil {
                validator.report(
                    ConfigurationProblem(
                        node.location, key: "\(key).database", "missing",
                        hint: known.isEmpty ? "configure a database" : "name one of \(known.joined(separator: ", "))"))
            }
            return nil
        }
        if named == ["*"] { return known }
        for name in named where !known.contains(name) {
            let place = entries[single == nil ? "databases" : "database"]?.location ?? node.location
            let nearest = Nearest.word(to: name, among: known)
            validator.report(
                ConfigurationProblem(
                    place, key: "\(key).\(single == nil ? "databases" : "database")", "there is no database \"\(name)\"",
                    hint: nearest.map { "did you mean \"\($0)\"?" } ?? "known are \(known.joined(separator: ", "))"))
        }
        return named.allSatisfy(known.contains) ? Array(Set(named)).sorted() : nil
    }

    private func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 64 && text.first != "."
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
    }

    private mutating func note(_ options: [String: OptionValue], prefix: String) {
        for (key, value) in options where key != "url" { values[prefix + key] = value }
    }
}
