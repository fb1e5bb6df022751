-- Queues whose waiting jobs gain priority, and since when a job must have waited to gain some now. A paused queue is left alone: all of it waits, so nobody is served before others.
select q.name, extract(epoch from now() - q.ageing_seconds * interval '1 second')::float8
from jobs.queue q
where q.ageing_seconds is not null and not (q.paused_at is not null and (q.paused_until is null or q.paused_until > now()))
order by q.name
