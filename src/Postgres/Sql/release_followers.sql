-- Jobs that have ended ($1): those that wait for them are told, once each, because the edge is deleted in this statement. A child whose last parent has ended is queued, or
-- scheduled if its time is still to come; one whose parent did not succeed is cancelled, run or held, as its edge says. An answer with dispatch 0 only frees a
-- schedule; -1 is a cancelled child that others wait for.
-- A parent that is neither live nor in history was deleted while somebody was about to wait for it: that is no success either.
with ended as materialized (
  select e.child, e.parent, e.effect, h.state is distinct from 'succeeded' as otherwise
  from jobs.edge e left join jobs.history h on h.id = e.parent and h.ended_at >= $2
  where e.parent = any($1::uuid[]) and e.held_at is null and (h.id is not null or not exists (select from jobs.job j where j.id = any(array[e.parent])))
), child as materialized (
  select j.id from (select distinct ended.child from ended) c join jobs.job j on j.id = any(array[c.child]) where j.state = 'blocked' order by c.child for update of j
), held as (
  update jobs.edge e set held_at = now() from ended
  where e.child = ended.child and e.parent = ended.parent and ended.otherwise and ended.effect = 'hold'
), told as (
  delete from jobs.edge e using ended
  where e.child = ended.child and e.parent = ended.parent and not (ended.otherwise and ended.effect = 'hold')
  returning e.child, e.parent, ended.otherwise and ended.effect = 'cancel' as cancel
), sum as (
  select t.child as id, count(*)::integer as ended, bool_or(t.cancel) as cancel, min(t.parent::text) filter (where t.cancel) as parent from told t group by t.child
), freed as (
  update jobs.job j set
    waits = nullif(j.waits - s.ended, 0),
    state = case when j.waits > s.ended then 'blocked' when j.due_at > now() then 'scheduled' else 'queued' end::jobs.state,
    due_at = case when j.waits > s.ended or j.due_at > now() then j.due_at end,
    ticket_at = case when j.waits > s.ended or j.due_at > now() then null else now() end,
    fair = case when exists (select from jobs.fair_queue) then jobs.fair_of(j.queue, j.args) end
  from sum s join child c on c.id = s.id
  where j.id = any(array[s.id]) and j.state = 'blocked' and not s.cancel
  returning j.id, case when j.state = 'queued' then j.dispatch else 0 end as dispatch, j.queue, j.priority, j.type
), cancelled as (
  delete from jobs.job j using sum s join child c on c.id = s.id
  where j.id = any(array[s.id]) and j.state = 'blocked' and s.cancel
  returning j.*, s.parent
), spare as (
  delete from jobs.edge e using cancelled c where e.child = c.id and not exists (select from ended where ended.child = e.child and ended.parent = e.parent)
), filed as (
  insert into jobs.history (id, enqueued_at, ended_at, state, attempt, failures, crashes, priority, queue, type, args, timeout, batch, after, origin, trace, tags, meta, retry_of, events, errors)
  select c.id, c.enqueued_at, now(), 'cancelled', c.attempt, c.failures, c.crashes, c.priority, c.queue, c.type, c.args, c.timeout, c.batch, c.after, c.origin, c.trace, c.tags, c.meta, c.retry_of, c.events,
    coalesce(c.errors, '[]') || jsonb_build_object('attempt', c.attempt, 'at', now(), 'type', 'Jobs.ParentDidNotSucceed',
      'message', format('Job %s, which it waited for, did not succeed.', c.parent))
  from cancelled c
)
select id, dispatch, queue, priority, type, null::uuid from freed where dispatch > 0
union all
select id, -1, queue, priority, type, batch from cancelled where followed or batch is not null
