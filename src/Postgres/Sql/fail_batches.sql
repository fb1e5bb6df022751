-- Batches ($1) of which a job has ended without success, seen for the first time: their callback for that is queued.
with failed as (
  update jobs.batch b set failed_at = now()
  where b.id = any($1::uuid[]) and b.failed_at is null and exists (select from jobs.history_other h where h.batch = b.id)
  returning b.id, b.on_failure as callback
)
insert into jobs.job (id, type, queue, priority, state, ticket_at, args, origin, trace, fair)
select (callback ->> 'id')::uuid, callback ->> 'type', callback ->> 'queue', (callback ->> 'priority')::smallint, 'queued', now(), (callback -> 'args')::json, 'batch ' || id, callback ->> 'trace',
  case when exists (select from jobs.fair_queue) then jobs.fair_of(callback ->> 'queue', (callback -> 'args')::json) end
from failed where callback is not null
returning id, dispatch, queue, priority, type
