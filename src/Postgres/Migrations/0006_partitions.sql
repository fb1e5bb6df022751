-- Partitions are made by one at a time, and whether one is there is looked up, not remembered: to_regclass may go by what a session knew before it waited for the lock.

create or replace function jobs.make_partitions(ahead interval) returns integer language plpgsql as $$
declare
  made  integer := 0;
  kind  record;
  start timestamptz;
  name  text;
begin
  perform pg_advisory_xact_lock(hashtextextended('jobs.make_partitions', 0));
  for kind in values ('history_succeeded', interval '1 day', 'day'), ('history_other', interval '7 days', 'week') loop
    start := date_trunc(kind.column3, now(), 'UTC');
    while start <= now() + ahead loop
      name := kind.column1 || '_p' || to_char(start at time zone 'UTC', 'YYYYMMDD');
      if not exists (select from pg_catalog.pg_tables t where t.schemaname = split_part('jobs.job', '.', 1) and t.tablename = name) then
        execute format('create table jobs.%I (like jobs.%I including defaults including constraints)', name, kind.column1);
        execute format('alter table jobs.%I attach partition jobs.%I for values from (%L) to (%L)', kind.column1, name, start, start + kind.column2);
        made := made + 1;
      end if;
      start := start + kind.column2;
    end loop;
  end loop;
  return made;
end $$;
