-- Of the next $2 live jobs below $1: those that wait are gone, but for those that others wait for and those that a batch counts.
-- Not by `followed`, which stays when nobody waits any more; a child that is added just now finds its parent gone and is told by the sweep.
-- (Scalar sub-selects are looked up by index, row by row; what `exists` becomes depends on how large the table was when the plan was made.)
with page as materialized (
  select id from jobs.job where id < $1 and {live} order by id desc limit $2
), mine as materialized (
  select id from jobs.job
  where id = any(array(select page.id from page)) and state in ('pending', 'scheduled', 'queued', 'blocked') and {live}
    and (select 1 from jobs.edge e where e.parent = job.id and e.held_at is null limit 1) is null
    and (select 1 from jobs.batch b where b.id = job.batch and b.completed_at is null limit 1) is null
  order by id for update of job
), deleted as (
  delete from jobs.job j using mine m
  where j.id = any(array[m.id]) and j.state in ('pending', 'scheduled', 'queued', 'blocked')
  returning j.id
), edge as materialized (
  select e.child, e.parent from jobs.edge e where e.child in (select mine.id from mine) for update of e skip locked
), spare as (
  delete from jobs.edge e using edge where e.child = edge.child and e.parent = edge.parent
)
select id, 'done', 0, null, null, null, null::uuid, false, null::uuid from deleted
union all
select p.id, 'left', 0, null, null, null, null, false, null from page p where p.id not in (select mine.id from mine)
