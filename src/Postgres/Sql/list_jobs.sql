-- Newest first, live and ended, in pages by key: the next page starts below the last id of this one ($1; null: the first page).
(select id, type, queue, priority, state::text, attempt, failures, crashes, session, enqueued_at, due_at, started_at, null::timestamptz as ended_at, args, null::json as result, errors,
  expires_at, unique_key, batch, after, coalesce(waits, 0) as waits,
  origin, tags, meta, retry_of, null::uuid as retried_as, events, trace,
  (select jsonb_build_object('at', r.requested_at, 'by', r.by, 'reason', r.reason) from jobs.cancel_request r where r.job = job.id) as cancel,
  (select to_jsonb(p) from jobs.progress p where p.job = id) as progress
 from jobs.job
 where ($1::uuid is null or id < $1) and {live}
 order by id desc limit $2)
union all
(select id, type, queue, priority, state::text, attempt, failures, crashes, session, enqueued_at, null, started_at, ended_at, args, result, errors,
  null, null, batch, after, 0,
  origin, tags, meta, retry_of, retried_as, events, trace, null,
  (select to_jsonb(p) from jobs.progress p where p.job = id)
 from jobs.history
 where ($1::uuid is null or id < $1) and {ended}
 order by id desc limit $2)
order by id desc limit $2
