-- What a worker ($1) on these queues ($2) has been told: which of them are paused, with the seconds until that ends by itself, and whether it is to leave.
select q.name, extract(epoch from q.paused_until - now())::float8, false, q.paused_by, q.pause_reason
from jobs.queue q where q.name = any($2::text[]) and q.paused_at is not null and (q.paused_until is null or q.paused_until > now())
union all
select null, null, true, s.drain_by, s.drain_reason from jobs.session s where s.id = $1 and s.drain_at is not null
