-- For each queue with waiting jobs: when its oldest ticket was sent, and what its markers say. One index descent a queue, however long the queue is.
-- Not the paused ones: nobody takes their tickets, so nothing can be told from that.
-- In a fair queue a ticket starts any job, so that one job's is old tells nothing while there are others: only a marker that came straight back, through an empty queue, counts.
with recursive q as (
  (select j.queue from jobs.job j where j.ticket_at is not null and j.state = 'queued' order by j.queue limit 1)
  union all
  select (select j.queue from jobs.job j where j.ticket_at is not null and j.state = 'queued' and j.queue > q.queue order by j.queue limit 1) from q where q.queue is not null
)
select q.queue,
  extract(epoch from now() - (select min(j.ticket_at) from jobs.job j where j.state = 'queued' and j.queue = q.queue))::float8 as oldest_age,
  extract(epoch from now() - m.marker_at)::float8 as marker_age,
  case when slow.slow then null else extract(epoch from now() - m.swept_to)::float8 end as swept_age,
  case when slow.slow then null else extract(epoch from now() - m.swept_at)::float8 end as back_age
from q left join jobs.queue m on m.name = q.queue
cross join lateral (select m.swept_at > m.swept_to + interval '3 seconds' and exists (select from jobs.fair_queue f where f.name = q.queue) as slow) slow
where q.queue is not null and not (m.paused_at is not null and (m.paused_until is null or m.paused_until > now()))
