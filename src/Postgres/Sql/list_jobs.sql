-- Newest first, live and ended, in pages by key: the next page starts below the last id of this one. Null means any.
(select id, type, queue, priority, state::text, attempt, failures, crashes, session, enqueued_at, due_at, started_at, null::timestamptz as ended_at, args, null::json as result, errors,
  expires_at, unique_key, batch, after, coalesce(waits, 0) as waits
 from jobs.job
 where ($1::uuid is null or id < $1) and ($2::text is null or queue = $2) and ($3::text is null or type = $3) and ($4::text is null or state = $4::jobs.state)
 order by id desc limit $5)
union all
(select id, type, queue, priority, state::text, attempt, failures, crashes, session, enqueued_at, null, started_at, ended_at, args, result, errors,
  null, null, batch, after, 0
 from jobs.history
 where ($1::uuid is null or id < $1) and ($2::text is null or queue = $2) and ($3::text is null or type = $3) and ($4::text is null or state = $4::jobs.state)
 order by id desc limit $5)
order by id desc limit $5
