-- Jobs that wait at the gates $1, as many as have room there now or in $2 seconds, at most $3 a gate: queued.
select id, dispatch, queue, priority, type from jobs.admit($1, $2, $3)
