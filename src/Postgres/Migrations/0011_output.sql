-- What attempts leave while they run, and who wants to be told of an end.

-- The latest progress of a job. Kept for a week after it was reported.
create table jobs.progress (
  job     uuid        not null,
  attempt integer     not null,                -- whose word it is; a lower one never overwrites a higher one
  done    bigint      not null,
  total   bigint,
  note    text,
  at      timestamptz not null default now(),
  constraint progress_pk primary key (job)
) with (fillfactor = 70);                      -- no index names what changes, and there is room on the page: heap-only updates

-- What handlers wrote to their loggers, some lines a row, by the day on which they were written down. seq is the number of the last line in the row.
-- A row may be there twice, after a repeated statement: whoever reads goes by the numbers of the lines.
create table jobs.log (
  job     uuid        not null,
  attempt integer     not null,
  seq     integer     not null,
  at      timestamptz not null default now(),
  lines   json        not null                 -- [{"at", "level", "category", "text", "error", "scopes"}]
) partition by range (at);
create index log_job on jobs.log (job, attempt, seq);

-- Which process waits for which end. Unlogged: after a crash of the server nobody's connection is there any more, and the waiters look for themselves every second.
create unlogged table jobs.watch (
  job     uuid not null,
  session uuid not null,
  constraint watch_pk primary key (job, session)
);

-- As before, and days of the log, of which only the next two are made: whoever writes makes the missing one.
create or replace function jobs.make_partitions(ahead interval) returns integer language plpgsql as $$
declare
  made  integer := 0;
  kind  record;
  start timestamptz;
  name  text;
begin
  perform pg_advisory_xact_lock(hashtextextended('jobs.make_partitions', 0));
  for kind in values ('history_succeeded', interval '1 day', 'day', ahead), ('history_other', interval '7 days', 'week', ahead), ('log', interval '1 day', 'day', least(ahead, interval '2 days')) loop
    start := date_trunc(kind.column3, now(), 'UTC');
    while start <= now() + kind.column4 loop
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

select jobs.make_partitions(interval '14 days');
