-- X2: tickets become attempts. Guard: still queued, under this dispatch, in the queue the ticket came through, of a type this worker can run.
-- The ids come sorted, so two workers with tickets for the same jobs lock them in the same order.
-- No indexed column changes (ticket_at stays), so no index is touched.
update jobs.job j set state = 'running', attempt = j.attempt + 1, session = $1, started_at = now()
from unnest($2::uuid[], $3::integer[]) as t (id, dispatch)
where j.id = t.id and j.state = 'queued' and j.dispatch = t.dispatch and j.queue = $4 and j.type = any($5)
returning j.id, j.attempt, j.failures, j.priority, j.type, j.enqueued_at, j.args
