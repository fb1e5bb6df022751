-- Pending or scheduled, and due: queued under a new dispatch. Safe with any number of schedulers: what another holds is skipped.
-- New: no app wrote it, so nobody has counted it, and this is the first dispatch after the one that it was born with.
with due as materialized (
  select j.id from jobs.job j
  where j.state in ('pending', 'scheduled') and j.due_at <= now()
  order by j.due_at limit $1
  for update skip locked
)
update jobs.job j set state = 'queued', dispatch = j.dispatch + 1, ticket_at = now(), due_at = null,
  fair = case when exists (select from jobs.fair_queue) then jobs.fair_of(j.queue, j.args) end
from due where j.id = any(array[due.id]) and j.state in ('pending', 'scheduled')
returning j.id, j.dispatch, j.queue, j.priority, j.type, j.dispatch = 2 and j.origin like 'sql %' as new
