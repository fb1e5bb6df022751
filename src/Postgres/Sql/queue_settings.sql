-- What operators have set: pauses that are in force, and ageing.
select q.name, case when q.paused_at is not null and (q.paused_until is null or q.paused_until > now()) then q.paused_at end, q.paused_by, q.pause_reason, q.paused_until, q.ageing_seconds
from jobs.queue q where q.paused_at is not null or q.ageing_seconds is not null
