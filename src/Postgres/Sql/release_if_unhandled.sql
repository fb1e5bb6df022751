-- A ticket for a type that this worker has no handler for: the job goes back to wait, briefly if another live worker knows the type, else longer,
-- so that a queue full of them cannot keep the servers busy. No attempt is used up. Several times in a row are one event, which says since when and until when.
with mine as materialized (
  select j.id, now() + (0.5 + random()) * case when exists (select from jobs.session s where j.type = any(s.types) and s.queues ? j.queue)
                                          then interval '1 second' else interval '60 seconds' end as due
  from unnest($1::uuid[], $2::integer[]) as t (id, dispatch)
  join jobs.job j on j.id = any(array[t.id])
  where j.state = 'queued' and j.dispatch = t.dispatch and j.queue = $3 and not j.type = any($4)
  for update of j skip locked
)
update jobs.job j set state = 'scheduled', ticket_at = null, woken_at = null, due_at = mine.due,
  events = case when j.events -> -1 ->> 'what' = 'unhandled' then jsonb_set(j.events, '{-1,dueAt}', to_jsonb(mine.due))
    else case when jsonb_array_length(j.events) >= 100 then j.events #- '{20}' else coalesce(j.events, '[]') end
      || jsonb_build_object('at', now(), 'what', 'unhandled', 'dueAt', mine.due) end
from mine where j.id = any(array[mine.id]) and j.state = 'queued'
returning j.type
