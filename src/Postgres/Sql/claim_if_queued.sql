-- X2: tickets become attempts. Guard: still queued, under this dispatch, in the queue the ticket came through, of a type this worker can run.
-- The ids come sorted, so two workers with tickets for the same jobs lock them in the same order.
-- No indexed column changes (ticket_at stays; the key of a job that is unique until it is started does), so no index is touched.
-- What has expired is left to the scheduler. A paused queue gives nothing: it is looked up once a statement, and not a row, which is why it stands where the
-- ids come from. So a claim whose snapshot is younger than the pause takes none. It takes none either where a limit may apply: that is for claim_limited (0014_limits.sql).
update jobs.job j set
  state = 'running', attempt = j.attempt + 1, session = $1, started_at = now(),
  unique_key = case when j.unique_waiting then null else j.unique_key end
from unnest(
  case when exists (select from jobs.queue q where q.name = $4 and q.paused_at is not null and (q.paused_until is null or q.paused_until > now())) or jobs.is_limited($4, $5) then null else $2::uuid[] end,
  $3::integer[]) as t (id, dispatch)
where j.id = any(array[t.id]) and j.state = 'queued' and j.dispatch = t.dispatch and j.queue = $4 and j.type = any($5)
  and (j.expires_at is null or j.expires_at > now())
returning j.id, j.attempt, j.failures, j.priority, j.type, j.enqueued_at, j.args, j.timeout, j.batch, j.after, j.trace, j.meta
