-- The same, from PostgreSQL 18 on.
select (select sum(fsyncs) from pg_stat_io where object = 'wal')::bigint, (select sum(xact_commit) from pg_stat_database)::bigint
