-- After a claim whose outcome is unknown: which of its jobs run under this session, and under which attempt.
select j.id, j.attempt, j.failures, j.priority, j.type, j.enqueued_at, j.args, j.timeout, j.batch, j.after, j.trace, j.meta, j.slots is not null, extract(epoch from j.started_at - now())::float8
from jobs.job j
where j.id = any($2::uuid[]) and j.state = 'running' and j.session = $1
