-- After a claim that took nothing at all: whether one of its tickets could be claimed but for a pause. Its state and dispatch would have changed otherwise: a ticket that was refused
-- because it is stale never becomes valid again. In a fair queue any ticket is valid.
select exists (
  select from unnest($1::uuid[], $2::integer[]) as t (id, dispatch) join jobs.job j on j.id = any(array[t.id])
  where j.state = 'queued' and j.dispatch = t.dispatch and j.queue = $3 and j.type = any($4) and (j.expires_at is null or j.expires_at > now()))
  or exists (select from jobs.fair_queue f join jobs.queue q on q.name = f.name where f.name = $3 and q.paused_at is not null and (q.paused_until is null or q.paused_until > now()))
