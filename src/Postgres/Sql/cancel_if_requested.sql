-- Up to $1 jobs that wait although their end was asked for, because their attempt was followed by a retry, a snooze, a rescue or a hand-back: they end as cancelled now. What somebody
-- else holds is skipped, and looked at again.
with asked as materialized (
  select j.id, r.by, r.reason, r.requested_at from jobs.cancel_request r join jobs.job j on j.id = any(array[r.job])
  where j.state in ('pending', 'scheduled', 'queued', 'blocked')
  order by r.job limit $1
  for update of j skip locked
), cancelled as (
  delete from jobs.job j using asked a
  where j.id = any(array[a.id]) and j.state in ('pending', 'scheduled', 'queued', 'blocked')
  returning j.*, a.by, a.reason, a.requested_at
), edge as materialized (
  select e.child, e.parent from jobs.edge e join asked a on a.id = e.child for update of e skip locked
), spare as (
  delete from jobs.edge e using edge where e.child = edge.child and e.parent = edge.parent
), filed as (
  insert into jobs.history (id, enqueued_at, started_at, ended_at, session, state, attempt, failures, crashes, priority, queue, type, args, timeout, batch, after, origin, trace, tags, meta, retry_of, events, errors)
  select c.id, c.enqueued_at, c.started_at, now(), c.session, 'cancelled', c.attempt, c.failures, c.crashes, c.priority, c.queue, c.type, c.args, c.timeout, c.batch, c.after, c.origin, c.trace, c.tags, c.meta, c.retry_of,
    coalesce(c.events, '[]') || jsonb_strip_nulls(jsonb_build_object('at', c.requested_at, 'what', 'cancelRequested', 'by', c.by, 'reason', c.reason)),
    coalesce(c.errors, '[]') || jsonb_build_object('attempt', c.attempt, 'at', now(), 'type', 'Jobs.Cancelled',
      'message', format('It was cancelled %s while it ran.%s That attempt ended in another way; no other one was started.',
        coalesce('by ' || c.by, 'on request'), coalesce(' Reason: ' || rtrim(c.reason, '.') || '.', '')))
  from cancelled c
)
select count(*), array_agg(id) filter (where followed), array_agg(batch) filter (where batch is not null) from cancelled
