-- How many jobs of queue $1 ended in the last $2 seconds; counted to $3, which bounds the time it takes.
select count(*) from (select from jobs.history h where h.queue = $1 and h.ended_at > now() - $2 * interval '1 second' limit $3) ended
