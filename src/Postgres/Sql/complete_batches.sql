-- Batches ($1) that are sealed and have no live job left: their counts are kept and their callbacks queued, once, because completed_at is set in this statement.
-- A failure that was not seen before is seen here, so that a complete batch owes nothing; somebody who sees it at the same time changes failed_at, and completes the batch next.
-- Newest job first: of a batch that is under way that one is still there.
with whole as materialized (
  select b.id, b.failed_at,
    (select count(*) from jobs.history_succeeded h where h.batch = b.id) as succeeded,
    (select count(*) from jobs.history_other h where h.batch = b.id) as failed
  from jobs.batch b
  where b.id = any($1::uuid[]) and b.sealed_at is not null and b.completed_at is null
    and (select j.id from jobs.job j where j.batch = b.id order by j.batch desc, j.id desc limit 1) is null
), completed as (
  update jobs.batch b set completed_at = now(), succeeded = w.succeeded, failed = w.failed, failed_at = coalesce(b.failed_at, case when w.failed > 0 then now() end)
  from whole w where b.id = w.id and b.completed_at is null and b.failed_at is not distinct from w.failed_at
  returning b.id, b.on_success, b.on_failure, b.on_completion, w.failed, w.failed_at as failed_before
), callback as (
  select id, on_completion as callback from completed where on_completion is not null
  union all
  select id, on_success from completed where on_success is not null and failed = 0
  union all
  select id, on_failure from completed where on_failure is not null and failed > 0 and failed_before is null
)
insert into jobs.job (id, type, queue, priority, state, ticket_at, args, origin, trace, fair)
select (callback ->> 'id')::uuid, callback ->> 'type', callback ->> 'queue', (callback ->> 'priority')::smallint, 'queued', now(), (callback -> 'args')::json, 'batch ' || id, callback ->> 'trace',
  case when exists (select from jobs.fair_queue) then jobs.fair_of(callback ->> 'queue', (callback -> 'args')::json) end
from callback
returning id, dispatch, queue, priority, type
