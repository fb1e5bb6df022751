-- X2: tickets become attempts. Guard: still queued, under this dispatch, in the queue the ticket came through, of a type this worker can run.
-- What another transaction holds is skipped: either that one claims it, or it publishes a newer ticket.
with mine as materialized (
  select j.id
  from unnest($2::uuid[], $3::integer[]) as t (id, dispatch)
  join jobs.job j on j.id = t.id
  where j.state = 'queued' and j.dispatch = t.dispatch and j.queue = $4 and j.type = any($5)
  for update of j skip locked
)
update jobs.job j set state = 'running', attempt = j.attempt + 1, session = $1, started_at = now()
from mine where j.id = mine.id and j.state = 'queued'
returning j.id, j.attempt, j.failures, j.priority, j.type, j.enqueued_at, j.args
