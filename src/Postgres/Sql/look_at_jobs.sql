-- What these jobs ($1) are just now, for an operator who asked something of them: whether somebody else needs them, and whether they are what was asked for.
select id, state::text, case when state = 'running' then started_at else due_at end as since,
  (select 1 from jobs.edge e where e.parent = job.id and e.held_at is null limit 1) is not null
    or (select 1 from jobs.batch b where b.id = job.batch and b.completed_at is null limit 1) is not null as needed,
  null::uuid as retried_as, coalesce(waits, 0) as waits, {live} as matched
from jobs.job where id = any($1)
union all
select id, state::text, ended_at,
  (select 1 from jobs.edge e where e.parent = history.id and e.held_at is null limit 1) is not null
    or (select 1 from jobs.batch b where b.id = history.batch and b.completed_at is null limit 1) is not null,
  retried_as, 0, {ended}
from jobs.history where id = any($1) and ended_at >= $2
