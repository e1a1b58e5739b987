-- What pgcaretaker's role needs, and no more. Run it in the application's database as a superuser:
--
--     sudo -u postgres psql -d school_erp -f /etc/pgcaretaker/grants.sql
--
-- It may be run again at any time. With peer authentication (Debian's default on the Unix socket) no password is needed:
-- the service's user is called pgcaretaker too.

\set ON_ERROR_STOP on

SELECT 'CREATE ROLE pgcaretaker LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pgcaretaker') \gexec

-- The dump reads everything; sizes and locks need statistics.
GRANT pg_read_all_data, pg_monitor TO pgcaretaker;

-- retention
GRANT SELECT, DELETE ON activities TO pgcaretaker;

-- token-purge: two columns may be cleared.
GRANT SELECT (id, "passwordResetToken", "passwordResetExpires") ON users TO pgcaretaker;
GRANT UPDATE ("passwordResetToken", "passwordResetExpires") ON users TO pgcaretaker;

-- coordination = "database": a schema of its own for the one small table by which several hosts agree. Take the dashes off
-- if you use it; nothing of it is seen by the application.
-- CREATE SCHEMA IF NOT EXISTS pgcaretaker AUTHORIZATION pgcaretaker;
