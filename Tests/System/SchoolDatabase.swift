/// The application's database that the service looks after, with rows for every kind of job.
enum SchoolDatabase {
    static let name = "school_erp"

    /// How many activities there are, and how many of them are older than 90 days.
    static let activities = 2000
    static let oldActivities = 1000

    /// How many reset tokens there are, and how many of them have expired.
    static let tokens = 20
    static let expiredTokens = 15

    /// Makes tables and rows anew, in a database that may hold some already.
    static let create = """
        DROP TABLE IF EXISTS "activities", "users";
        CREATE TABLE "users" (
            "id" TEXT PRIMARY KEY, "email" TEXT NOT NULL UNIQUE, "password" TEXT NOT NULL,
            "passwordResetToken" TEXT UNIQUE, "passwordResetExpires" TIMESTAMP(3));
        CREATE TABLE "activities" (
            "id" TEXT PRIMARY KEY, "userId" TEXT NOT NULL, "description" TEXT NOT NULL,
            "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP);
        CREATE INDEX "activities_createdAt_idx" ON "activities"("createdAt");
        INSERT INTO "users"
            SELECT 'user-' || i, 'user' || i || '@school.example', md5('password' || i),
                CASE WHEN i <= \(tokens) THEN md5('token' || i) END,
                CASE WHEN i <= \(tokens) THEN (now() AT TIME ZONE 'UTC') +
                    CASE WHEN i <= \(expiredTokens) THEN interval '-1 hour' ELSE interval '1 day' END END
            FROM generate_series(1, 50) AS i;
        -- Random, so that the dump of it does not shrink to nothing.
        INSERT INTO "activities"
            SELECT 'activity-' || i, 'user-' || (1 + i % 50), md5(random()::text),
                (now() AT TIME ZONE 'UTC') - (i - 0.5) * interval '180 days' / \(activities)
            FROM generate_series(1, \(activities)) AS i;
        ANALYZE "users", "activities";
        """

    /// The jobs of each kind by their names, as the configuration has them.
    static func job(_ name: String, schedule: String, more: String = "") -> String {
        let options =
            switch name {
            case "cleanup": "kind = \"retention\"\ntable = \"activities\"\ncolumn = \"createdAt\"\nkeep = \"90d\""
            case "backup": "kind = \"backup\"\ndirectory = \"/var/backups/pgcaretaker\""
            case "tokens":
                "kind = \"token-purge\"\ntable = \"users\"\ntoken = \"passwordResetToken\"\nexpires = \"passwordResetExpires\""
            default: "kind = \"table-sizes\""
            }
        return "[jobs.\(name)]\nschedule = \"\(schedule)\"\n\(options)\n\(more)\n"
    }

    /// A configuration with these jobs. Without a URL it is to come from a credential.
    static func configuration(_ jobs: String..., url: String? = "postgresql:///school_erp") -> String {
        "timezone = \"UTC\"\nmax_parallel_jobs = 4\n[database]\n\(url.map { "url = \"\($0)\"\n" } ?? "")\n"
            + jobs.joined(separator: "\n")
    }
}

/// A schedule that is not due while a test runs, unless somebody tests through the midnight before a 29th of February.
let rarely = "0 3 1 1 *"

/// Every second.
let everySecond = "* * * * * *"
