-- Live jobs by queue and state, and for how long the longest waiting one of a queue has been queued: since its enqueue while it has its first dispatch, else since its newest
-- ticket, which may have been sent again. Reads every live row: for those who measure, seldom.
select j.queue, j.state::text, count(*),
  extract(epoch from now() - min(case when j.dispatch = 1 then j.enqueued_at else j.ticket_at end) filter (where j.state = 'queued'))::float8
from jobs.job j group by j.queue, j.state
