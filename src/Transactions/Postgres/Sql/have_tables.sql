-- Whether create_tables was run here.
select count(*) = 2 from pg_catalog.pg_tables where schemaname = 'jobs_participant' and tablename in ('branch', 'installation')
