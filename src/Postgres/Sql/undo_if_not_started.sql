-- Of the next $2 live jobs below $1 of a redrive (the tag $3): those that have not been started end as cancelled, by $4, because of $5, with the message $6, and the failed jobs
-- behind them may be redriven again.
with page as materialized (
  select id from jobs.job where id < $1 and tags @> array[$3] order by id desc limit $2
), mine as materialized (
  select id, retry_of from jobs.job
  where id = any(array(select page.id from page)) and state in ('pending', 'scheduled', 'queued', 'blocked') and attempt = 0
  order by id for update
), cancelled as (
  delete from jobs.job j using mine m
  where j.id = any(array[m.id]) and j.state in ('pending', 'scheduled', 'queued', 'blocked') and j.attempt = 0
  returning j.*
), old as materialized (
  select h.id from jobs.history_other h where h.id in (select mine.retry_of from mine) order by h.id for update
), freed as (
  update jobs.history_other h set retried_as = null from mine m join old o on o.id = m.retry_of where h.id = o.id and h.retried_as = m.id
), filed as (
  insert into jobs.history (id, enqueued_at, started_at, ended_at, session, state, attempt, failures, crashes, priority, queue, type, args, timeout, batch, after, origin, trace, tags, meta, retry_of, events, errors)
  select c.id, c.enqueued_at, c.started_at, now(), c.session, 'cancelled', c.attempt, c.failures, c.crashes, c.priority, c.queue, c.type, c.args, c.timeout, c.batch, c.after, c.origin, c.trace, c.tags, c.meta, c.retry_of,
    coalesce(c.events, '[]') || jsonb_strip_nulls(jsonb_build_object('at', now(), 'what', 'cancelled', 'by', $4::text, 'reason', $5::text)),
    coalesce(c.errors, '[]') || jsonb_build_object('attempt', c.attempt, 'at', now(), 'type', 'Jobs.Cancelled', 'message', $6::text)
  from cancelled c
)
select id, 'done', 0, null, null, null, null::uuid, coalesce(followed, false), batch from cancelled
union all
select p.id, 'left', 0, null, null, null, null, false, null from page p where p.id not in (select mine.id from mine)
