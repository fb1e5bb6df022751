-- Running jobs whose session is gone: back to their queue under a new dispatch, or failed as poison when at least $2 workers died under them.
-- Who dies for the $2th time beside others in the same case may be innocent: these are taken apart, each some seconds after the one before it, until one dies alone
-- (or has died three times as often). Reads all live jobs: no index says what runs, because it would cost every claim (0001_engine.sql). Also finds the claim that a process committed after its session had been ended by others.
with orphan as materialized (
  select j.id, j.session, j.slots, j.crashes + 1 as crashes from jobs.job j
  where j.state = 'running' and not exists (select from jobs.session s where s.id = j.session)
  order by j.id limit $1
  for update of j skip locked
), suspect as (
  select o.id, row_number() over beside as turn, count(*) over (partition by o.session) = 1 or o.crashes >= 3 * $2 as guilty
  from orphan o where o.crashes >= $2
  window beside as (partition by o.session order by o.id)
), back as (
  update jobs.job j set
    state = case when s.id is null then 'queued' else 'scheduled' end::jobs.state,
    dispatch = j.dispatch + 1, crashes = o.crashes, session = null, slots = null, woken_at = null,
    ticket_at = case when s.id is null then now() end,
    fair = case when exists (select from jobs.fair_queue) then jobs.fair_of(j.queue, j.args) end,
    due_at = now() + s.turn * (o.crashes - $2 + 1) * interval '1 second',
    events = case when jsonb_array_length(j.events) >= 100 then j.events #- '{20}' else coalesce(j.events, '[]') end
      || jsonb_build_object('at', now(), 'what', 'crashed', 'attempt', j.attempt, 'session', j.session, 'startedAt', j.started_at,
        'dueAt', now() + s.turn * (o.crashes - $2 + 1) * interval '1 second')
  from orphan o left join suspect s on s.id = o.id
  where j.id = any(array[o.id]) and j.state = 'running' and j.session = o.session and s.guilty is not true
  returning j.id, case when j.state = 'queued' then j.dispatch else 0 end as dispatch, j.queue, j.priority, j.type
), freed as (
  insert into jobs.gate_exit as x (id, freed)
  select s.gate collate "C" as gate, count(*)::integer as n from orphan o cross join unnest(o.slots) as s (gate) group by 1 order by 1
  on conflict (id) do update set freed = x.freed + excluded.freed
), poison as (
  delete from jobs.job j using orphan o join suspect s on s.id = o.id
  where j.id = any(array[o.id]) and j.state = 'running' and j.session = o.session and s.guilty
  returning j.*
), filed as (
  insert into jobs.history (id, enqueued_at, started_at, ended_at, session, state, attempt, failures, crashes, priority, queue, type, args, timeout, batch, after, origin, trace, tags, meta, retry_of, events, errors)
  select p.id, p.enqueued_at, p.started_at, now(), p.session, 'failed', p.attempt, p.failures, p.crashes + 1, p.priority, p.queue, p.type, p.args, p.timeout, p.batch, p.after, p.origin, p.trace, p.tags, p.meta, p.retry_of,
    coalesce((select coalesce(p.events, '[]') || jsonb_strip_nulls(jsonb_build_object('at', r.requested_at, 'what', 'cancelRequested', 'by', r.by, 'reason', r.reason))
      from jobs.cancel_request r where r.job = p.id), p.events),
    coalesce(p.errors, '[]') || jsonb_build_object('attempt', p.attempt, 'at', now(), 'session', p.session, 'type', 'Jobs.Poison',
      'message', format('The worker died while it ran this job, %s times in all. It is not tried again.', p.crashes + 1))
  from poison p
  returning id, priority, queue, type
), counted as (
  insert into jobs.tally (what, at, n)
  select 'poison', date_trunc('minute', now()), count(*) from filed having count(*) > 0
  on conflict (what, at) do update set n = tally.n + excluded.n
)
select id, dispatch, queue, priority, type from back
union all
select id, -1, queue, priority, type from filed
