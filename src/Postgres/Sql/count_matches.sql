-- How many live jobs (if $1) and ended jobs (if $2) match, by what decides what an action does to them.
select state::text,
  (select 1 from jobs.edge e where e.parent = job.id and e.held_at is null limit 1) is not null
    or (select 1 from jobs.batch b where b.id = job.batch and b.completed_at is null limit 1) is not null as needed,
  false as retried, count(*)
from jobs.job where $1 and {live} group by 1, 2
union all
select state::text,
  (select 1 from jobs.edge e where e.parent = history.id and e.held_at is null limit 1) is not null
    or (select 1 from jobs.batch b where b.id = history.batch and b.completed_at is null limit 1) is not null,
  retried_as is not null, count(*)
from jobs.history where $2 and {ended} group by 1, 2, 3
