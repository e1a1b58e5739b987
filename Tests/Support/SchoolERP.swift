import Postgres

/// The application's tables as Prisma makes them, and rows to fill them with.
package enum SchoolERP {
    /// The labels of the enum `ActivityType`.
    package static let activityTypes = [
        "LOGIN", "LOGOUT", "CREATE", "UPDATE", "DELETE", "VIEW", "DOWNLOAD", "UPLOAD", "APPROVE", "REJECT", "PAYMENT",
        "ATTENDANCE_MARK", "EXPORT", "IMPORT",
    ]

    /// The labels of the enum `ActivityAction`.
    package static let activityActions = [
        "USER_LOGIN", "USER_LOGOUT", "STUDENT_CREATE", "STUDENT_UPDATE", "STUDENT_DELETE", "STAFF_CREATE",
        "STAFF_UPDATE",
        "STAFF_DELETE", "FEE_PAYMENT", "ATTENDANCE_MARK", "EXAM_MARK", "TIMETABLE_CREATE", "DOCUMENT_UPLOAD",
        "DOCUMENT_DOWNLOAD", "EXPORT_DATA", "IMPORT_DATA", "APPROVE_REQUEST", "REJECT_REQUEST", "SETTINGS_CHANGE",
        "OTHER",
    ]

    /// Makes `users` and `activities`, both enums and all indexes, in the first schema of the search path.
    package static func create(in connection: PostgresConnection) async throws {
        let types = activityTypes.map(quoteLiteral).joined(separator: ", ")
        let actions = activityActions.map(quoteLiteral).joined(separator: ", ")
        try await connection.simple(
            """
            CREATE TYPE "ActivityType" AS ENUM (\(types));
            CREATE TYPE "ActivityAction" AS ENUM (\(actions));
            CREATE TABLE "users" (
                "id" TEXT NOT NULL,
                "email" TEXT NOT NULL,
                "password" TEXT NOT NULL,
                "name" TEXT NOT NULL,
                "role" TEXT NOT NULL DEFAULT 'STAFF',
                "passwordResetToken" TEXT,
                "passwordResetExpires" TIMESTAMP(3),
                "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
                "updatedAt" TIMESTAMP(3) NOT NULL,
                CONSTRAINT "users_pkey" PRIMARY KEY ("id")
            );
            CREATE UNIQUE INDEX "users_email_key" ON "users"("email");
            CREATE UNIQUE INDEX "users_passwordResetToken_key" ON "users"("passwordResetToken");
            CREATE TABLE "activities" (
                "id" TEXT NOT NULL,
                "userId" TEXT NOT NULL,
                "action" "ActivityAction" NOT NULL,
                "actionType" "ActivityType" NOT NULL,
                "module" TEXT NOT NULL,
                "description" TEXT NOT NULL,
                "ipAddress" TEXT,
                "userAgent" TEXT,
                "resourceId" TEXT,
                "resourceType" TEXT,
                "changes" JSONB,
                "status" TEXT NOT NULL DEFAULT 'SUCCESS',
                "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
                CONSTRAINT "activities_pkey" PRIMARY KEY ("id")
            );
            CREATE INDEX "activities_userId_idx" ON "activities"("userId");
            CREATE INDEX "activities_createdAt_idx" ON "activities"("createdAt");
            CREATE INDEX "activities_action_idx" ON "activities"("action");
            CREATE INDEX "activities_module_idx" ON "activities"("module");
            """)
    }

    /// Fills both tables, the same rows at every call but for the time of it.
    ///
    /// Activities are spread evenly from now back over `days`, the newest first: row *i* of *n* is `i * days / n` old. Every fifth
    /// user has a reset token; four of five of those have expired, by an hour and more, the others expire in an hour.
    package static func fill(
        _ connection: PostgresConnection, activities: Int, users: Int, days: Int = 180
    ) async throws {
        try await connection.query(
            """
            INSERT INTO "users" ("id", "email", "password", "name", "passwordResetToken", "passwordResetExpires", "createdAt",
                "updatedAt")
            SELECT 'user-' || i, 'user' || i || '@school.example', '$2b$10$' || md5('salt' || i), 'User ' || i,
                CASE WHEN i % 5 = 0 THEN md5('token' || i) END,
                CASE WHEN i % 25 = 0 THEN (now() AT TIME ZONE 'UTC') + interval '1 hour'
                    WHEN i % 5 = 0 THEN (now() AT TIME ZONE 'UTC') - (1 + i % 500) * interval '1 hour' END,
                (now() AT TIME ZONE 'UTC') - interval '1 year', (now() AT TIME ZONE 'UTC') - interval '1 year'
            FROM generate_series(1, $1::int) AS i
            """, [.int(users)])
        try await connection.query(
            """
            INSERT INTO "activities" ("id", "userId", "action", "actionType", "module", "description", "ipAddress", "userAgent",
                "resourceId", "resourceType", "changes", "createdAt")
            SELECT md5('activity' || i), 'user-' || (1 + i % greatest($2::int, 1)),
                (enum_range(NULL::"ActivityAction"))[1 + i % \(activityActions.count)],
                (enum_range(NULL::"ActivityType"))[1 + i % \(activityTypes.count)],
                (ARRAY['auth', 'students', 'staff', 'fees', 'attendance', 'exams', 'documents'])[1 + i % 7],
                'activity number ' || i, '10.0.' || (i % 250) || '.' || (i % 199), 'Mozilla/5.0 (X11; Linux x86_64)',
                'resource-' || (i % 1000), 'student', jsonb_build_object('field', 'value ' || i, 'from', i, 'to', i + 1),
                (now() AT TIME ZONE 'UTC') - (i::float8 * $3 / greatest($1::int, 1)) * interval '1 day'
            FROM generate_series(0, $1::int - 1) AS i
            """, [.int(activities), .int(users), .int(days)])
        try await connection.query(#"ANALYZE "users", "activities""#)
    }
}
