-- A page of ended jobs; see list_live.sql. The table is one kind of end where the filter names it, so that its own indexes serve.
select id, type, queue, priority, state::text, attempt, failures, crashes, session, enqueued_at, null::timestamptz as due_at, started_at, ended_at, args, result, errors,
  null::timestamptz as expires_at, null::text as unique_key, batch, after, 0 as waits,
  origin, tags, meta, retry_of, retried_as, events, trace, null::jsonb as cancel,
  (select to_jsonb(p) from jobs.progress p where p.job = j.id) as progress
from (select * from {table} where {reach} {bound}) j
where ($3::uuid is null or id < $3) and {filter}
order by id desc limit $1
