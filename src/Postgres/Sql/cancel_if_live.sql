-- Of the next $2 live jobs below $1: those that wait end as cancelled, by $3, because of $4, with the message $5; for those that run, their workers are asked to stop them. Rows of
-- running jobs are not locked: their ends lock many, in no order. A job that is started while this waits for its row is neither, and is asked for again by the caller.
-- Edges that somebody holds are being told to their child, which is gone then.
with page as materialized (
  select id from jobs.job where id < $1 and {live} order by id desc limit $2
), mine as materialized (
  select id from jobs.job
  where id = any(array(select page.id from page)) and state in ('pending', 'scheduled', 'queued', 'blocked') and {live}
  order by id for update
), cancelled as (
  delete from jobs.job j using mine m where j.id = any(array[m.id]) and j.state in ('pending', 'scheduled', 'queued', 'blocked')
  returning j.*
), edge as materialized (
  select e.child, e.parent from jobs.edge e where e.child in (select mine.id from mine) for update of e skip locked
), spare as (
  delete from jobs.edge e using edge where e.child = edge.child and e.parent = edge.parent
), filed as (
  insert into jobs.history (id, enqueued_at, started_at, ended_at, session, state, attempt, failures, crashes, priority, queue, type, args, timeout, batch, after, origin, trace, tags, meta, retry_of, events, errors)
  select c.id, c.enqueued_at, c.started_at, now(), c.session, 'cancelled', c.attempt, c.failures, c.crashes, c.priority, c.queue, c.type, c.args, c.timeout, c.batch, c.after, c.origin, c.trace, c.tags, c.meta, c.retry_of,
    coalesce(c.events, '[]') || jsonb_strip_nulls(jsonb_build_object('at', now(), 'what', 'cancelled', 'by', $3, 'reason', $4)),
    coalesce(c.errors, '[]') || jsonb_build_object('attempt', c.attempt, 'at', now(), 'type', 'Jobs.Cancelled', 'message', $5)
  from cancelled c
), asked as (
  insert into jobs.cancel_request (job, session, by, reason)
  select id, session, $3, $4 from jobs.job where id = any(array(select page.id from page)) and state = 'running' and {live}
  order by id
  on conflict (job) do update set session = excluded.session -- who asked first stands
  returning job as id, jobs.signal('cancel')
)
select id, 'done', 0, null, null, null, null::uuid, coalesce(followed, false), batch from cancelled
union all
select id, 'requested', 0, null, null, null, null, false, null from asked
union all
select p.id, 'left', 0, null, null, null, null, false, null from page p where p.id not in (select mine.id from mine) and p.id not in (select asked.id from asked)
