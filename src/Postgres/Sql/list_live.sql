-- A page of at most $1 live jobs, newest first, below $3 (null: from the top): what holds to {filter} among the rows that an index reaches. {bound} is either "order by id desc limit $2", so that
-- no more than that many rows are read, or "offset $2", which keeps the planner from going by id instead of by the reach.
select id, type, queue, priority, state::text, attempt, failures, crashes, session, enqueued_at, due_at, started_at, null::timestamptz as ended_at, args, null::json as result, errors,
  expires_at, unique_key, batch, after, coalesce(waits, 0) as waits,
  origin, tags, meta, retry_of, null::uuid as retried_as, events, trace,
  (select jsonb_build_object('at', r.requested_at, 'by', r.by, 'reason', r.reason) from jobs.cancel_request r where r.job = j.id) as cancel,
  (select to_jsonb(p) from jobs.progress p where p.job = j.id) as progress
from (select * from {table} where {reach} {bound}) j
where ($3::uuid is null or id < $3) and {filter}
order by id desc limit $1
