/// The rows that the contests are about.
///
/// Those of `pgcaretaker try` are as regular as a sample may be: numbered ids and the same few texts shrink to a twentieth, which
/// no table of an application does, and would make any compression look cheap. Here ids are UUIDs as Prisma makes them, in no
/// order, and what people do varies.
enum ActivityRows {
    /// Fills the tables of `SampleData.schema`: the same rows at every call, but for the time of it. Every second activity is
    /// older than 90 days; they lie in the order of their age, as in a table that is only ever added to.
    static func statement(activities: Int, users: Int) -> String {
        """
        INSERT INTO users (id, email, "passwordHash", "updatedAt")
        SELECT md5('user' || i)::uuid, 'user' || i || '@school.example', '$2b$10$' || md5('p' || i), now() AT TIME ZONE 'UTC'
        FROM generate_series(1, \(users)) i;
        INSERT INTO activities (id, "userId", action, "actionType", module, description, "ipAddress", "userAgent", "resourceId",
            "resourceType", changes, "createdAt")
        SELECT md5('activity' || i)::uuid, md5('user' || 1 + h % \(users))::uuid,
            (enum_range(NULL::"ActivityAction"))[1 + h % 20], (enum_range(NULL::"ActivityType"))[1 + h % 14],
            (ARRAY['auth', 'students', 'fees', 'exams', 'attendance'])[1 + h % 5],
            (ARRAY['Signed in', 'Marks entered for class', 'Fee received, receipt', 'Attendance marked for class', 'Record changed'])
                [1 + h % 5] || ' ' || h % 10007,
            '10.' || h % 4 || '.' || h % 251 || '.' || h % 241,
            'Mozilla/5.0 (' || (ARRAY['X11; Linux x86_64', 'Windows NT 10.0; Win64; x64', 'Linux; Android 14; K'])[1 + h % 3]
                || ') AppleWebKit/537.36 (KHTML, like Gecko) Chrome/' || 118 + h % 14 || '.0.0.0 Safari/537.36',
            CASE WHEN h % 3 > 0 THEN md5('student' || h % 5003)::uuid END, CASE WHEN h % 3 > 0 THEN 'student' END,
            CASE WHEN h % 3 = 1 THEN jsonb_build_object('marks', jsonb_build_object('from', h % 97, 'to', h % 89)) END,
            (now() AT TIME ZONE 'UTC') - interval '180 days' * (1 - (i - 0.5) / \(activities))
        FROM (SELECT i, hashint4(i) & 2147483647 AS h FROM generate_series(1, \(activities)) i) numbered;
        """
    }
}
