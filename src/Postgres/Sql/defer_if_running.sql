-- X6 of an attempt that is to be followed by another: a retry ($5 is its error, an attempt is used up) or a snooze ($5 null, none is).
-- Of the events the first 20 and the newest 80 are kept: a job that snoozes for ever must not grow for ever. All that append events do it in this way.
with mine as materialized (
  select t.*, j.slots from unnest($2::uuid[], $3::integer[], $4::float8[], $5::jsonb[]) as t (id, attempt, delay, error) join jobs.job j on j.id = any(array[t.id])
  where j.state = 'running' and j.attempt = t.attempt and j.session = $1
  order by t.id for update of j
), deferred as (
  update jobs.job j set
    state = 'scheduled', session = null, ticket_at = null, slots = null, woken_at = null,
    due_at = now() + t.delay * interval '1 second',
    failures = j.failures + (t.error is not null)::integer,
    errors = case when t.error is null then j.errors
                  else coalesce(j.errors, '[]') || (jsonb_build_object('attempt', j.attempt, 'at', now(), 'session', j.session) || t.error) end,
    events = case when jsonb_array_length(j.events) >= 100 then j.events #- '{20}' else coalesce(j.events, '[]') end
      || jsonb_build_object('at', now(), 'what', case when t.error is null then 'snoozed' else 'retried' end, 'attempt', j.attempt, 'session', j.session,
        'startedAt', j.started_at, 'dueAt', now() + t.delay * interval '1 second')
  from mine t
  where j.id = any(array[t.id]) and j.state = 'running' and j.attempt = t.attempt and j.session = $1
  returning t.slots
), freed as (
  insert into jobs.gate_exit as x (id, freed)
  select s.gate collate "C" as gate, count(*)::integer as n from deferred d cross join unnest(d.slots) as s (gate) group by 1 order by 1
  on conflict (id) do update set freed = x.freed + excluded.freed
  returning case when x.waiting then x.id end as gate
)
select count(*), (select array_agg(gate) filter (where gate is not null) from freed) from deferred
