-- How often a job was started, live or ended; nothing if it is neither.
select j.attempt from jobs.job j where j.id = $1
union all
select h.attempt from jobs.history h where h.id = $1 and h.ended_at >= $2
limit 1
