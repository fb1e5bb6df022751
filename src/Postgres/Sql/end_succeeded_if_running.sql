-- X6: the common end, done without a result. Guard: running, this attempt, this session. Deleting the live row is what makes the end happen once.
-- A job that a limit counts is left to end_limited_if_running.sql, or, if the limit was set while it ran, to end_if_running.sql.
with ended as (
  delete from jobs.job j
  using unnest($2::uuid[], $3::integer[]) as t (id, attempt)
  where j.id = any(array[t.id]) and j.state = 'running' and j.attempt = t.attempt and j.session = $1 and j.slots is null
  returning j.id, j.enqueued_at, j.started_at, j.session, j.attempt, j.failures, j.crashes, j.priority, j.queue, j.type, j.args, j.errors, j.batch, j.after, j.followed,
    j.timeout, j.origin, j.trace, j.tags, j.meta, j.retry_of, j.events
), filed as (
  insert into jobs.history_succeeded (id, enqueued_at, started_at, ended_at, session, state, attempt, failures, crashes, priority, queue, type, args, errors, batch, after,
    timeout, origin, trace, tags, meta, retry_of, events)
  select e.id, e.enqueued_at, e.started_at, now(), e.session, 'succeeded', e.attempt, e.failures, e.crashes, e.priority, e.queue, e.type, e.args, e.errors, e.batch, e.after,
    e.timeout, e.origin, e.trace, e.tags, e.meta, e.retry_of, e.events
  from ended e
)
select count(*), array_agg(id) filter (where followed), array_agg(batch) filter (where batch is not null) from ended
