-- One job, live or ended. Its id says when it was made, so only partitions since then are looked at (a day is allowed for clocks that disagree).
select id, type, queue, priority, state::text, attempt, failures, crashes, session, enqueued_at, due_at, started_at, null::timestamptz as ended_at, args, null::json as result, errors,
  expires_at, unique_key, batch, after, coalesce(waits, 0) as waits,
  origin, tags, meta, retry_of, null::uuid as retried_as, events, trace,
  (select jsonb_build_object('at', r.requested_at, 'by', r.by, 'reason', r.reason) from jobs.cancel_request r where r.job = job.id) as cancel,
  (select to_jsonb(p) from jobs.progress p where p.job = id) as progress
from jobs.job where id = $1
union all
select id, type, queue, priority, state::text, attempt, failures, crashes, session, enqueued_at, null, started_at, ended_at, args, result, errors,
  null, null, batch, after, 0,
  origin, tags, meta, retry_of, retried_as, events, trace, null,
  (select to_jsonb(p) from jobs.progress p where p.job = id)
from jobs.history where id = $1 and ended_at >= $2
limit 1
