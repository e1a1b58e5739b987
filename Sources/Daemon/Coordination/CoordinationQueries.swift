import Postgres

/// The statements by which hosts that share a database agree on who runs a fire.
enum CoordinationQueries {
    /// In a schema of our own: a table among the application's would look like a foreign one to its migrations.
    ///
    /// The schema is asked for first: even `IF NOT EXISTS` wants the right to make one.
    static let create = """
        DO $$ BEGIN
            IF to_regnamespace('pgcaretaker') IS NULL THEN CREATE SCHEMA pgcaretaker; END IF;
        END $$;
        CREATE TABLE IF NOT EXISTS pgcaretaker.fires (
            job text NOT NULL,
            scheduled_at timestamptz NOT NULL,
            host text NOT NULL,
            attempt integer NOT NULL,
            seen_at timestamptz NOT NULL,
            ended_at timestamptz,
            outcome text,
            retry_at timestamptz,
            PRIMARY KEY (job, scheduled_at))
        """

    /// The table, if it is there and may be written.
    static let find = """
        SELECT (to_regclass('pgcaretaker.fires') IS NOT NULL)::text
        """

    /// Whether the role can use the table, or make what is missing of it.
    static let rights = """
        SELECT CASE
            WHEN to_regclass('pgcaretaker.fires') IS NOT NULL
                THEN has_table_privilege(to_regclass('pgcaretaker.fires'), 'SELECT')
                    AND has_table_privilege(to_regclass('pgcaretaker.fires'), 'INSERT')
                    AND has_table_privilege(to_regclass('pgcaretaker.fires'), 'UPDATE')
                    AND has_table_privilege(to_regclass('pgcaretaker.fires'), 'DELETE')
            WHEN to_regnamespace('pgcaretaker') IS NOT NULL
                THEN has_schema_privilege(to_regnamespace('pgcaretaker'), 'CREATE')
            ELSE has_database_privilege(current_database(), 'CREATE') END::text
        """

    /// The first number of our advisory locks, "pgca". Prisma's lock is a single number, which lives in another space.
    static let lockSpace = 0x7067_6361

    /// Takes the lock of a job, which is held as long as the session.
    static let lock = "SELECT pg_try_advisory_lock($1::int, hashtext($2))::text"

    /// Takes a fire that nobody has taken.
    static let claim = """
        INSERT INTO pgcaretaker.fires (job, scheduled_at, host, attempt, seen_at)
        VALUES ($1, to_timestamp($2::float8 / 1000000), $3, $4::int, clock_timestamp())
        ON CONFLICT DO NOTHING
        """

    /// What is known of a fire: whose it is, whether that one has let go of it, how it ended.
    static let state = """
        SELECT host, outcome, (ended_at IS NOT NULL)::text AS ended,
            (seen_at < clock_timestamp() - $3::float8 * interval '1 second')::text AS silent,
            (retry_at < clock_timestamp() - $3::float8 * interval '1 second')::text AS forgotten,
            (retry_at IS NOT NULL)::text AS retries
        FROM pgcaretaker.fires WHERE job = $1 AND scheduled_at = to_timestamp($2::float8 / 1000000)
        """

    /// Whether the session that has the lock runs an earlier fire. One that has the lock only to look at that fire, because the
    /// host that ran it has died, began after the last sign of life.
    static let overlapping = """
        SELECT EXISTS (
            SELECT FROM pg_locks AS held
            JOIN pg_stat_activity AS holder ON holder.pid = held.pid
            JOIN pgcaretaker.fires ON fires.seen_at >= holder.backend_start
            WHERE fires.job = $1 AND fires.scheduled_at < to_timestamp($2::float8 / 1000000) AND fires.ended_at IS NULL
                AND held.locktype = 'advisory' AND held.granted AND held.objsubid = 2
                AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND held.classid = $3::bigint::oid AND held.objid = (hashtext($4)::bigint & 4294967295)::oid)::text
        """

    /// Takes a fire over, from a host that died or from an earlier attempt of our own.
    static let takeOver = """
        UPDATE pgcaretaker.fires
        SET host = $3, attempt = attempt + 1, seen_at = clock_timestamp(), ended_at = NULL, outcome = NULL, retry_at = NULL
        WHERE job = $1 AND scheduled_at = to_timestamp($2::float8 / 1000000) AND host = $4
            AND (ended_at IS NULL OR retry_at IS NOT NULL)
        """

    /// A sign of life, and proof that the session still is what holds the lock.
    static let heartbeat = """
        UPDATE pgcaretaker.fires SET seen_at = clock_timestamp()
        WHERE job = $1 AND scheduled_at = to_timestamp($2::float8 / 1000000) AND host = $3 AND ended_at IS NULL
        """

    /// How a run ended, and when it is tried again.
    static let end = """
        UPDATE pgcaretaker.fires
        SET ended_at = clock_timestamp(), outcome = $4, retry_at = clock_timestamp() + $5::float8 * interval '1 second'
        WHERE job = $1 AND scheduled_at = to_timestamp($2::float8 / 1000000) AND host = $3 AND ended_at IS NULL
        """

    /// Old rows, of which nobody asks any more.
    static let forget = "DELETE FROM pgcaretaker.fires WHERE scheduled_at < now() - interval '90 days'"
}
