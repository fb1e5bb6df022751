-- X6, the general end. Slots of limits are given back in the same statement; gates come after jobs, in the order of their ids, as wherever both are locked.
-- It takes any end state ($4), a result ($5), a last error ($6: type, message and stack; the rest is added here) that used up an attempt if the end is failed.
with ended as (
  delete from jobs.job j
  using unnest($2::uuid[], $3::integer[], $4::text[], $5::json[], $6::jsonb[]) as t (id, attempt, state, result, error)
  where j.id = any(array[t.id]) and j.state = 'running' and j.attempt = t.attempt and j.session = $1
  returning j.*, t.state::jobs.state as final, t.result, t.error
), filed as (
  insert into jobs.history (id, enqueued_at, started_at, ended_at, session, state, attempt, failures, crashes, priority, queue, type, args, timeout, batch, after, origin, trace, tags, meta, retry_of, events, result, errors)
  select e.id, e.enqueued_at, e.started_at, now(), e.session, e.final, e.attempt, e.failures + (e.error is not null and e.final = 'failed')::integer, e.crashes, e.priority, e.queue, e.type, e.args,
    e.timeout, e.batch, e.after, e.origin, e.trace, e.tags, e.meta, e.retry_of,
    coalesce((select coalesce(e.events, '[]') || jsonb_strip_nulls(jsonb_build_object('at', r.requested_at, 'what', 'cancelRequested', 'by', r.by, 'reason', r.reason))
      from jobs.cancel_request r where r.job = e.id), e.events), e.result,
    case when e.error is null then e.errors
         else coalesce(e.errors, '[]') || (jsonb_build_object('attempt', e.attempt, 'at', now(), 'session', e.session) || e.error) end
  from ended e
), freed as (
  insert into jobs.gate_exit as x (id, freed)
  select s.gate collate "C" as gate, count(*)::integer as n from ended e cross join unnest(e.slots) as s (gate) group by 1 order by 1
  on conflict (id) do update set freed = x.freed + excluded.freed
  returning case when x.waiting then x.id end as gate
)
select count(*), array_agg(id) filter (where followed), array_agg(batch) filter (where batch is not null), (select array_agg(gate) filter (where gate is not null) from freed) from ended
