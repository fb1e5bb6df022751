-- What is before a queued job ($2) in its queue ($1), and what runs there. Read from the oldest ticket on, at most $3 of them, which bounds the time it takes.
with me as materialized (
  select j.id, j.ticket_at, greatest(j.priority, 1) as priority from jobs.job j where j.id = $2 and j.state = 'queued'
), line as materialized (
  select j.id, j.state, greatest(j.priority, 1) as priority, j.ticket_at, j.started_at
  from jobs.job j where j.queue = $1 and j.ticket_at is not null order by j.queue, j.ticket_at limit $3
)
select me.ticket_at, count(l.id) as seen,
  count(*) filter (where l.state = 'queued' and (l.priority > me.priority or (l.priority = me.priority and (l.ticket_at, l.id) < (me.ticket_at, me.id)))) as ahead,
  count(*) filter (where l.state = 'queued' and l.priority > me.priority) as above,
  count(*) filter (where l.state = 'running') as running,
  (array_agg(l.id order by l.started_at) filter (where l.state = 'running'))[1] as longest,
  min(l.started_at) filter (where l.state = 'running') as longest_since
from me left join line l on true
group by me.ticket_at
