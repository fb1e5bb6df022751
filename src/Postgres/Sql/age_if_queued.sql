-- Up to $4 jobs of a queue ($1) whose newest ticket was sent after $2 and not after $3: a level of priority more, and a ticket of it, which makes the older one stale. What a claim holds
-- just now is skipped. Levels gained in a row are one event.
with old as materialized (
  select j.id from jobs.job j
  where j.state = 'queued' and j.queue = $1 and j.ticket_at > to_timestamp($2) and j.ticket_at <= to_timestamp($3) and j.priority < 31
  order by j.ticket_at limit $4
  for update of j skip locked
)
update jobs.job j set priority = j.priority + 1, dispatch = j.dispatch + 1, ticket_at = now(),
  events = case when j.events -> -1 ->> 'what' = 'aged'
    then jsonb_set(jsonb_set(j.events, '{-1,to}', to_jsonb((j.priority + 1)::text)), '{-1,at}', to_jsonb(now()))
    else case when jsonb_array_length(j.events) >= 100 then j.events #- '{20}' else coalesce(j.events, '[]') end || jsonb_build_object('at', now(), 'what', 'aged', 'from', j.priority::text, 'to', (j.priority + 1)::text) end
from old where j.id = any(array[old.id]) and j.state = 'queued'
returning j.id, j.dispatch, j.queue, j.priority, j.type
