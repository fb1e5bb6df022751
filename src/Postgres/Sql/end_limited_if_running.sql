-- X6: the common end of jobs that a limit counts, done without a result. Guard: running, this attempt, this session.
-- Their slots are given back in the same statement; gates come after jobs, in the order of their ids, as wherever both are locked.
with ended as (
  delete from jobs.job j
  using unnest($2::uuid[], $3::integer[]) as t (id, attempt)
  where j.id = any(array[t.id]) and j.state = 'running' and j.attempt = t.attempt and j.session = $1
  returning j.id, j.enqueued_at, j.started_at, j.session, j.attempt, j.failures, j.crashes, j.priority, j.queue, j.type, j.args, j.errors, j.batch, j.after, j.followed,
    j.timeout, j.origin, j.trace, j.tags, j.meta, j.retry_of, j.events, j.slots
), filed as (
  insert into jobs.history_succeeded (id, enqueued_at, started_at, ended_at, session, state, attempt, failures, crashes, priority, queue, type, args, errors, batch, after,
    timeout, origin, trace, tags, meta, retry_of, events)
  select e.id, e.enqueued_at, e.started_at, now(), e.session, 'succeeded', e.attempt, e.failures, e.crashes, e.priority, e.queue, e.type, e.args, e.errors, e.batch, e.after,
    e.timeout, e.origin, e.trace, e.tags, e.meta, e.retry_of, e.events
  from ended e
), freed as (
  insert into jobs.gate_exit as x (id, freed)
  select s.gate collate "C" as gate, sum(m.n)::integer as n
  from (select e.slots, count(*) as n from ended e where e.slots is not null group by e.slots) m cross join unnest(m.slots) as s (gate) group by 1 order by 1
  on conflict (id) do update set freed = x.freed + excluded.freed
  returning case when x.waiting then x.id end as gate
)
select count(*), array_agg(id) filter (where followed), array_agg(batch) filter (where batch is not null), (select array_agg(gate) filter (where gate is not null) from freed) from ended
