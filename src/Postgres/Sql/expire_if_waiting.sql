-- Up to $1 waiting jobs that are no longer worth starting, moved to history. A running one is left to its attempt. What somebody else holds is skipped: a claim that is under way
-- decides, and an end that is being told to its followers has the edges.
with late as materialized (
  select j.id from jobs.job j
  where j.expires_at <= now() and j.state in ('pending', 'scheduled', 'queued', 'blocked')
  order by j.expires_at limit $1
  for update skip locked
), ended as (
  delete from jobs.job j using late
  where j.id = any(array[late.id]) and j.state in ('pending', 'scheduled', 'queued', 'blocked')
  returning j.*
), edge as materialized (
  select e.child, e.parent from jobs.edge e join late on late.id = e.child for update of e skip locked
), spare as (
  delete from jobs.edge e using edge where e.child = edge.child and e.parent = edge.parent
), filed as (
  insert into jobs.history (id, enqueued_at, started_at, ended_at, state, attempt, failures, crashes, priority, queue, type, args, timeout, batch, after, origin, trace, tags, meta, retry_of, events, errors)
  select e.id, e.enqueued_at, e.started_at, now(), 'expired', e.attempt, e.failures, e.crashes, e.priority, e.queue, e.type, e.args, e.timeout, e.batch, e.after, e.origin, e.trace, e.tags, e.meta, e.retry_of,
    coalesce((select coalesce(e.events, '[]') || jsonb_strip_nulls(jsonb_build_object('at', r.requested_at, 'what', 'cancelRequested', 'by', r.by, 'reason', r.reason))
      from jobs.cancel_request r where r.job = e.id), e.events),
    coalesce(e.errors, '[]') || jsonb_build_object('attempt', e.attempt, 'at', now(), 'type', 'Jobs.Expired',
      'message', format('It was not worth starting after %s UTC, and was still %s then. Seen %s s later.',
        to_char(e.expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS'), e.state, round(extract(epoch from now() - e.expires_at)::numeric, 3)))
  from ended e
)
select count(*), array_agg(id) filter (where followed), array_agg(batch) filter (where batch is not null) from ended
