import Jobs
import Schedule

/// Every key outside of the kinds' own options.
package enum ConfigurationSchema {
    /// The keys at the top.
    package static let root: [OptionSpecification] = [
        OptionSpecification("timezone", .zone, defaultText: "the host's zone", "The zone of all schedules."),
        OptionSpecification(
            "state_directory", .path, defaultText: "systemd's $STATE_DIRECTORY, else /var/lib/pgcaretaker",
            reloadable: false, "Where the history is."),
        OptionSpecification(
            "env_file", .path, "A dotenv file of the application's, from which DATABASE_URL is read."),
        OptionSpecification(
            "max_parallel_jobs", .integer(1...64), default: .integer(2), "How many jobs may run at once."),
        OptionSpecification(
            "coordination", .choice(Coordination.allCases.map(\.rawValue)), default: .text(Coordination.none.rawValue),
            reloadable: false,
            "Whether daemons on several hosts agree, through the database that a job works on, that each fire is run by one of them."
        ),
        OptionSpecification(
            "log_level", .choice(["debug", "info", "notice", "warning", "error"]), default: .text("info"),
            reloadable: false, "The least important level that is logged."),
        OptionSpecification(
            "history_keep", .duration(.seconds(7 * 86400)...(.seconds(36500 * 86400))), default: .duration(.seconds(400 * 86400)),
            "How long runs are remembered."),
    ]

    /// The keys of a database.
    package static let database: [OptionSpecification] = [
        OptionSpecification(
            "url", .secret, defaultText: "$DATABASE_URL, else env_file's, else the credential",
            "Where the database is and as whom to connect: a URL or key=value pairs, as libpq takes them."),
        OptionSpecification(
            "url_variable", .text, defaultText: "DATABASE_URL",
            "The variable of the environment or of env_file that holds the URL."),
        OptionSpecification(
            "credential", .name, defaultText: "database-url, or database-url-NAME",
            "The systemd credential that holds the URL."),
        OptionSpecification(
            "timestamps", .zone, default: .text("UTC"), "The zone of what columns of type timestamp hold; Prisma writes UTC."),
    ]

    /// The keys that every job has.
    package static let job: [OptionSpecification] = [
        OptionSpecification("kind", .choice(JobKinds.all.map { $0.kind }), required: true, "What the job does."),
        OptionSpecification("enabled", .boolean, default: .boolean(true), "Whether the job runs by its schedule."),
        OptionSpecification(
            "schedule", .schedule, defaultText: "required, but with after: that job's", "When the job is due: a cron expression."),
        OptionSpecification("timezone", .zone, defaultText: "the configuration's zone", "The zone of the schedule."),
        OptionSpecification(
            "days", .choice(["vixie", "and", "or"]), default: .text("vixie"),
            "Whether day of month and day of week must both match (and), either is enough (or), or as cron has it (vixie)."),
        OptionSpecification("database", .text, "The database to work on."),
        OptionSpecification("databases", .oneOrMore(.text), "Several databases to work on, or \"*\" for all."),
        OptionSpecification(
            "timeout", .duration(.seconds(1)...(.seconds(30 * 86400))), "How long a run may take before it is cancelled."),
        OptionSpecification(
            "retries", .integer(0...20), default: .integer(3), "How often a run that failed for a passing reason is tried again."),
        OptionSpecification(
            "retry_delay", .duration(.seconds(1)...(.seconds(86400))), default: .duration(.seconds(60)),
            "How long to wait before the first retry; each further one waits twice as long, an hour at most."),
        OptionSpecification(
            "catch_up", .boolean, defaultText: "true for backup, retention and token-purge",
            "Whether a missed fire is made up for, once."),
        OptionSpecification(
            "catch_up_within", .duration(.seconds(60)...(.seconds(3660 * 86400))), "How late a missed fire may be made up for."),
        OptionSpecification(
            "splay", .duration(.seconds(1)...(.seconds(86400))),
            "By up to how much the job begins after its fire; how much is chosen once for each host and job."),
        OptionSpecification(
            "window", .text,
            "The part of the day, \"01:00-05:00\", outside of which the job does not begin and at whose end it stops."),
        OptionSpecification("group", .name, "Of the jobs of one group only one runs at a time."),
        OptionSpecification(
            "after", .text, "A job that must have succeeded for the same night (a fire of the 24 hours before)."),
    ]
}
