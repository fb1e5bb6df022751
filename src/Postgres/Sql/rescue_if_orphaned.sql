-- Running jobs whose session is gone: back to their queue under a new dispatch, or failed as poison when this was the $2th worker that died under them.
-- Also finds the claim that a process committed after its session had been ended by others.
with orphan as materialized (
  select j.id, j.session from jobs.job j
  where j.state = 'running' and not exists (select from jobs.session s where s.id = j.session)
  order by j.id limit $1
  for update of j skip locked
), back as (
  update jobs.job j set state = 'queued', dispatch = j.dispatch + 1, crashes = j.crashes + 1, session = null, ticket_at = now()
  from orphan o
  where j.id = o.id and j.state = 'running' and j.session = o.session and j.crashes + 1 < $2
  returning j.id, j.dispatch, j.queue, j.priority, j.type
), poison as (
  delete from jobs.job j using orphan o
  where j.id = o.id and j.state = 'running' and j.session = o.session and j.crashes + 1 >= $2
  returning j.*
), filed as (
  insert into jobs.history (id, enqueued_at, started_at, ended_at, session, state, attempt, failures, crashes, priority, queue, type, args, errors)
  select p.id, p.enqueued_at, p.started_at, now(), p.session, 'failed', p.attempt, p.failures, p.crashes + 1, p.priority, p.queue, p.type, p.args,
    coalesce(p.errors, '[]') || jsonb_build_object('attempt', p.attempt, 'at', now(), 'session', p.session, 'type', 'Jobs.Poison',
      'message', format('The worker died while it ran this job, %s times in all. It is not tried again.', p.crashes + 1))
  from poison p
  returning id, priority, queue, type
)
select id, dispatch, queue, priority, type from back
union all
select id, -1, queue, priority, type from filed
