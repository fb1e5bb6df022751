-- The queues that may have tickets: those that a marker was sent to, and those with queued jobs (one index descent each). With since when they are paused.
with recursive q as (
  (select j.queue from jobs.job j where j.ticket_at is not null and j.state = 'queued' order by j.queue limit 1)
  union all
  select (select j.queue from jobs.job j where j.ticket_at is not null and j.state = 'queued' and j.queue > q.queue order by j.queue limit 1) from q where q.queue is not null
), name as (
  select q.queue as name from q where q.queue is not null union select m.name from jobs.queue m
)
select n.name, case when m.paused_until <= now() then null else m.paused_at end from name n left join jobs.queue m on m.name = n.name order by n.name limit $1
