-- Whose turn a queued job ($1) waits for, if its queue is fair: its value and weight, how many of the same value and level are before it, how many values have something waiting at its level,
-- how many jobs of the others have their turns before it, and how many wait at higher levels. Of each at most $2 are counted, which bounds the time it takes.
with recursive me as materialized (
  select j.id, j.queue, j.priority, j.fair, j.ticket_at, f.key, coalesce(w.weight, 1) as weight, own.n as own
  from jobs.job j join jobs.fair_queue f on f.name = j.queue left join jobs.fair_weight w on w.queue = j.queue and w.value = j.fair
  cross join lateral (select count(*) as n from (select from jobs.job o
    where coalesce(o.blocked_on, o.queue) = j.queue and o.priority = j.priority and o.fair = j.fair and (o.ticket_at is not null or o.blocked_on is not null) and o.state = 'queued' and o.id < j.id limit $2) x) own
  where j.id = $1 and j.state = 'queued' and j.fair is not null
), active as (
  (select j.fair as value, 1 as n from jobs.job j, me
   where coalesce(j.blocked_on, j.queue) = me.queue and j.priority = me.priority and j.fair is not null and (j.ticket_at is not null or j.blocked_on is not null) and j.state = 'queued'
   order by j.fair, j.id limit 1)
  union all
  select x.fair, a.n + 1 from active a cross join me cross join lateral (
    select j.fair from jobs.job j
    where coalesce(j.blocked_on, j.queue) = me.queue and j.priority = me.priority and j.fair > a.value and (j.ticket_at is not null or j.blocked_on is not null) and j.state = 'queued'
    order by j.fair, j.id limit 1) x
  where a.n < $2
), others as (
  select coalesce(sum(t.n), 0)::bigint as n
  from active a cross join me left join jobs.fair_weight w on w.queue = me.queue and w.value = a.value
  cross join lateral (select count(*) as n from (select from jobs.job j
    where coalesce(j.blocked_on, j.queue) = me.queue and j.priority = me.priority and j.fair = a.value and (j.ticket_at is not null or j.blocked_on is not null) and j.state = 'queued'
    limit least((me.own / me.weight + 1) * coalesce(w.weight, 1), $2 / (select count(*) from active) + 1)) x) t
  where a.value <> me.fair
)
select array_to_string(me.key, '.'), me.fair, me.own, (select count(*) from active), (select o.n from others o),
  (select count(*) from (select from jobs.job j
    where coalesce(j.blocked_on, j.queue) = me.queue and j.priority > me.priority and j.fair is not null and (j.ticket_at is not null or j.blocked_on is not null) and j.state = 'queued' limit $2) above),
  me.ticket_at
from me
