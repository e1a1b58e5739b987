import Postgres

/// A small School ERP database, as its application would have made it, for trying things out.
package enum SampleData {
    /// Tables, types and indexes in Prisma's shape.
    package static let schema = """
        CREATE TYPE "ActivityType" AS ENUM ('LOGIN', 'LOGOUT', 'CREATE', 'UPDATE', 'DELETE', 'VIEW', 'DOWNLOAD', 'UPLOAD',
            'APPROVE', 'REJECT', 'PAYMENT', 'ATTENDANCE_MARK', 'EXPORT', 'IMPORT');
        CREATE TYPE "ActivityAction" AS ENUM ('USER_LOGIN', 'USER_LOGOUT', 'STUDENT_CREATE', 'STUDENT_UPDATE', 'STUDENT_DELETE',
            'STAFF_CREATE', 'STAFF_UPDATE', 'STAFF_DELETE', 'FEE_PAYMENT', 'ATTENDANCE_MARK', 'EXAM_MARK', 'TIMETABLE_CREATE',
            'DOCUMENT_UPLOAD', 'DOCUMENT_DOWNLOAD', 'EXPORT_DATA', 'IMPORT_DATA', 'APPROVE_REQUEST', 'REJECT_REQUEST',
            'SETTINGS_CHANGE', 'OTHER');
        CREATE TABLE users (
            id TEXT PRIMARY KEY, email TEXT NOT NULL, "passwordHash" TEXT NOT NULL, "passwordResetToken" TEXT,
            "passwordResetExpires" TIMESTAMP(3), "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
            "updatedAt" TIMESTAMP(3) NOT NULL);
        CREATE UNIQUE INDEX users_email_key ON users (email);
        CREATE UNIQUE INDEX "users_passwordResetToken_key" ON users ("passwordResetToken");
        CREATE TABLE activities (
            id TEXT PRIMARY KEY, "userId" TEXT NOT NULL, action "ActivityAction" NOT NULL, "actionType" "ActivityType" NOT NULL,
            module TEXT NOT NULL, description TEXT NOT NULL, "ipAddress" TEXT, "userAgent" TEXT, "resourceId" TEXT,
            "resourceType" TEXT, changes JSONB, status TEXT NOT NULL DEFAULT 'SUCCESS',
            "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP);
        """

    /// Rows: users, a fifth of them with a reset token of which one in twenty is still good, and activities evenly over the
    /// past.
    package static func rows(activities: Int, users: Int, days: Int) -> String {
        """
        INSERT INTO users (id, email, "passwordHash", "passwordResetToken", "passwordResetExpires", "updatedAt")
        SELECT 'user-' || i, 'user' || i || '@school.example', md5('p' || i),
            CASE WHEN i % 5 = 0 THEN md5('t' || i) END,
            CASE WHEN i % 5 = 0 THEN (now() AT TIME ZONE 'UTC')
                + CASE WHEN i % 100 = 0 THEN interval '1 hour' ELSE -interval '1 minute' * (i % 10000 + 1) END END,
            now() AT TIME ZONE 'UTC'
        FROM generate_series(1, \(users)) i;
        INSERT INTO activities (id, "userId", action, "actionType", module, description, "ipAddress", "userAgent", "createdAt")
        SELECT 'activity-' || i, 'user-' || (i % \(users) + 1),
            (enum_range(NULL::"ActivityAction"))[i % 20 + 1], (enum_range(NULL::"ActivityType"))[i % 14 + 1],
            (ARRAY['auth', 'students', 'fees', 'exams', 'attendance'])[i % 5 + 1], 'Sample activity number ' || i,
            '10.0.' || i % 256 || '.' || i % 200, 'Mozilla/5.0 (X11; Linux x86_64)',
            (now() AT TIME ZONE 'UTC') - interval '\(days) days' * (1 - (i - 0.5) / \(activities))
        FROM generate_series(1, \(activities)) i;
        """
    }

    /// The indexes of the activities, made after the rows as it is quicker.
    package static let indexes = """
        CREATE INDEX "activities_userId_idx" ON activities ("userId");
        CREATE INDEX "activities_createdAt_idx" ON activities ("createdAt");
        CREATE INDEX activities_action_idx ON activities (action);
        CREATE INDEX activities_module_idx ON activities (module);
        ANALYZE;
        """
}
