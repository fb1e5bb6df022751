-- One batch with its counts: of the jobs themselves, or as they were when it was complete.
select b.id, b.created_at, b.sealed_at, b.failed_at, b.completed_at,
  (select count(*) from jobs.job j where j.batch = b.id) as live,
  coalesce(b.succeeded, (select count(*) from jobs.history_succeeded h where h.batch = b.id)) as succeeded,
  coalesce(b.failed, (select count(*) from jobs.history_other h where h.batch = b.id)) as failed
from jobs.batch b where b.id = $1
