-- Right after the caller's commit: no need to wait for the scheduler's next look.
-- New: no app wrote it, so nobody has counted it, and this is the first dispatch after the one that it was born with.
with mine as materialized (
  select j.id from jobs.job j where j.id = any($1::uuid[]) and j.state = 'pending' order by j.id for update skip locked
)
update jobs.job j set state = 'queued', dispatch = j.dispatch + 1, ticket_at = now(), due_at = null,
  fair = case when exists (select from jobs.fair_queue) then jobs.fair_of(j.queue, j.args) end
from mine where j.id = any(array[mine.id]) and j.state = 'pending'
returning j.id, j.dispatch, j.queue, j.priority, j.type, j.dispatch = 2 and j.origin like 'sql %' as new
