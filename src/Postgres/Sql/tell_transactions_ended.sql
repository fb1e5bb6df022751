-- These transactions have ended: the processes that wait for them are told, 200 a notification because its text must stay below 8,000 bytes, and what waits for its time to look after them is not needed any more.
-- A look that has begun, or that an operator is moving just now, is left: it finds by itself that there is nothing to do.
with old as materialized (
  select j.id from jobs.transaction t join jobs.job j on j.id = any(array[t.watch])
  where t.id = any($1::uuid[]) and t.ended_at is not null and j.state = 'scheduled' and j.followed is not true and j.batch is null
  order by t.watch for update of j skip locked
), spare as (
  delete from jobs.job j using old where j.id = any(array[old.id]) and j.state = 'scheduled'
), told as (
  delete from jobs.watch w where w.job = any($1::uuid[]) returning w.job
), numbered as (
  select t.job, (row_number() over (order by t.job) - 1) / 200 as part from (select distinct told.job from told) t
)
select count(pg_notify($2, 'ended ' || n.jobs)) from (select string_agg(numbered.job::text, ',') as jobs from numbered group by numbered.part) n
