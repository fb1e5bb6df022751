-- A ticket for a type that this worker has no handler for: the job goes back to wait, briefly if another live worker knows the type, else longer,
-- so that a queue full of them cannot keep the servers busy. No attempt is used up.
with mine as materialized (
  select j.id
  from unnest($1::uuid[], $2::integer[]) as t (id, dispatch)
  join jobs.job j on j.id = t.id
  where j.state = 'queued' and j.dispatch = t.dispatch and j.queue = $3 and not j.type = any($4)
  for update of j skip locked
)
update jobs.job j set state = 'scheduled', ticket_at = null,
  due_at = now() + (0.5 + random()) * case when exists (select from jobs.session s where j.type = any(s.types) and s.queues ? j.queue)
                                      then interval '1 second' else interval '60 seconds' end
from mine where j.id = mine.id and j.state = 'queued'
returning j.type
