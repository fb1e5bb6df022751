-- Shutdown: what this session still runs, of these, goes back to its queue, under a new dispatch and without using up an attempt.
with mine as materialized (
  select j.id, j.slots from jobs.job j where j.id = any($2::uuid[]) and j.state = 'running' and j.session = $1 order by j.id for update
), freed as (
  insert into jobs.gate_exit as x (id, freed)
  select s.gate collate "C" as gate, count(*)::integer as n from mine m cross join unnest(m.slots) as s (gate) group by 1 order by 1
  on conflict (id) do update set freed = x.freed + excluded.freed
)
update jobs.job j set state = 'queued', dispatch = j.dispatch + 1, session = null, ticket_at = now(), slots = null, woken_at = null,
  fair = case when exists (select from jobs.fair_queue) then jobs.fair_of(j.queue, j.args) end,
  events = case when jsonb_array_length(j.events) >= 100 then j.events #- '{20}' else coalesce(j.events, '[]') end
    || jsonb_build_object('at', now(), 'what', 'handedBack', 'attempt', j.attempt, 'session', j.session, 'startedAt', j.started_at)
from mine where j.id = any(array[mine.id]) and j.state = 'running' and j.session = $1
returning j.id, j.dispatch, j.queue, j.priority, j.type
