-- Ends a job that has not been started as cancelled, with the reason $2 (type, message). It waits for nobody any more; $1's own followers are told by the caller.
with cancelled as (
  delete from jobs.job j where j.id = $1 and j.state in ('pending', 'scheduled', 'queued', 'blocked')
  returning j.*
), spare as (
  delete from jobs.edge e using cancelled c where e.child = c.id
), filed as (
  insert into jobs.history (id, enqueued_at, started_at, ended_at, session, state, attempt, failures, crashes, priority, queue, type, args, timeout, batch, after, origin, trace, tags, meta, retry_of, events, errors)
  select c.id, c.enqueued_at, c.started_at, now(), c.session, 'cancelled', c.attempt, c.failures, c.crashes, c.priority, c.queue, c.type, c.args, c.timeout, c.batch, c.after, c.origin, c.trace, c.tags, c.meta, c.retry_of, c.events,
    coalesce(c.errors, '[]') || (jsonb_build_object('attempt', c.attempt, 'at', now()) || $2::jsonb)
  from cancelled c
)
select count(*), array_agg(id) filter (where followed), array_agg(batch) filter (where batch is not null) from cancelled
