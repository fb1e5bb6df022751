-- After a claim at gates whose outcome is unknown: which jobs that had waited there run under this session. Reads all live jobs, as a rescue does: it happens once in a lost connection.
select j.id, j.attempt, j.failures, j.priority, j.type, j.enqueued_at, j.args, j.timeout, j.batch, j.after, j.trace, j.meta, j.slots is not null, extract(epoch from j.started_at - now())::float8
from jobs.job j where j.state = 'running' and j.session = $1 and j.queue = $2 and j.woken_at is not null
