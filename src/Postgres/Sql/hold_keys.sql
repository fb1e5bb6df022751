-- Keys that are taken for a time whatever becomes of their job: the answer names the job that has each. A key whose time is over goes to the newcomer.
insert into jobs.held_key (key, job, until)
select distinct on (t.key) t.key, t.id, now() + t.seconds * interval '1 second'
from unnest($1::text[], $2::uuid[], $3::float8[]) with ordinality as t (key, id, seconds, n)
order by t.key, t.n
on conflict (key) do update set
  job = case when held_key.until <= now() then excluded.job else held_key.job end,
  until = case when held_key.until <= now() then excluded.until else held_key.until end
returning key, job
