-- These jobs have ended: the processes that wait for them are told, 200 a notification because its text must stay below 8,000 bytes. Of a job that nobody waits for, nothing is said.
with told as (
  delete from jobs.watch w where w.job = any($1::uuid[]) returning w.job
), numbered as (
  select t.job, (row_number() over (order by t.job) - 1) / 200 as part from (select distinct told.job from told) t
)
select count(pg_notify($2, 'ended ' || n.jobs)) from (select string_agg(numbered.job::text, ',') as jobs from numbered group by numbered.part) n
