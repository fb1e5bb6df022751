-- What holds a queue up, and what its markers say.
select q.paused_at, q.paused_by, q.pause_reason, q.paused_until, q.marker_at, q.swept_to, q.swept_at from jobs.queue q where q.name = $1
