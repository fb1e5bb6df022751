-- Forced writes of the log, up to PostgreSQL 17, and commits.
select (select wal_sync from pg_stat_wal), (select sum(xact_commit) from pg_stat_database)::bigint
