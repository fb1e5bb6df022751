-- The process that served queue $1 last, of those that are no more; with $2, the last that had a handler for that type as well.
select p.host, p.process_id, p.ended_at, p.ending
from jobs.past_session p
where p.queues ? $1 and ($2::text is null or $2 = any(p.types))
order by p.ended_at desc limit 1
