-- After a claim whose outcome is unknown: which of its jobs run under this session, and under which attempt. In a fair queue ($3) it may have taken any.
select j.id, j.attempt, j.failures, j.priority, j.type, j.enqueued_at, j.args, j.timeout, j.batch, j.after, j.trace, j.meta, j.slots is not null, extract(epoch from j.started_at - now())::float8
from jobs.job j
where j.id = any(array(select f.id from jobs.job f where coalesce(f.blocked_on, f.queue) = $3 and f.fair is not null and (f.ticket_at is not null or f.blocked_on is not null) and f.state = 'running' and f.session = $1) || $2::uuid[]) and j.state = 'running' and j.session = $1
