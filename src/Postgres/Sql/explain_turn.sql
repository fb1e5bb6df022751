-- Whose turn a queued job ($1) waits for, if its queue is fair: its value and weight, how many of the same value and level are before it, how many values have something waiting at its level and what
-- their weights are together, and how many jobs wait at higher levels. At most $2 of each are counted.
with recursive me as materialized (
  select j.id, j.queue, j.priority, j.fair, j.ticket_at, f.key from jobs.job j join jobs.fair_queue f on f.name = j.queue where j.id = $1 and j.state = 'queued' and j.fair is not null
), active as (
  (select j.fair as value, 1 as n from jobs.job j, me
   where coalesce(j.blocked_on, j.queue) = me.queue and j.priority = me.priority and j.fair is not null and (j.ticket_at is not null or j.blocked_on is not null) and j.state = 'queued' order by j.fair, j.id limit 1)
  union all
  select x.fair, a.n + 1 from active a cross join me cross join lateral (
    select j.fair from jobs.job j
    where coalesce(j.blocked_on, j.queue) = me.queue and j.priority = me.priority and j.fair > a.value and (j.ticket_at is not null or j.blocked_on is not null) and j.state = 'queued' order by j.fair, j.id limit 1) x
  where a.n < $2
)
select array_to_string(me.key, '.'), me.fair, coalesce((select w.weight from jobs.fair_weight w where w.queue = me.queue and w.value = me.fair), 1),
  (select count(*) from (select from jobs.job j where coalesce(j.blocked_on, j.queue) = me.queue and j.priority = me.priority and j.fair = me.fair and (j.ticket_at is not null or j.blocked_on is not null) and j.state = 'queued' and j.id < me.id limit $2) own),
  (select count(*) from active),
  (select sum(coalesce(w.weight, 1)) from active a left join me m on true left join jobs.fair_weight w on w.queue = m.queue and w.value = a.value),
  (select count(*) from (select from jobs.job j where coalesce(j.blocked_on, j.queue) = me.queue and j.priority > me.priority and j.fair is not null and (j.ticket_at is not null or j.blocked_on is not null) and j.state = 'queued' limit $2) above),
  me.ticket_at
from me
