-- Queued jobs that the reconciler should have sent again: a marker that was sent after their ticket came back a minute ago, or for five minutes nobody has sent a marker.
-- A queue that is paused waits rightly. One index descent a queue; 1,000 of each are counted.
with recursive q as (
  (select j.queue from jobs.job j where j.ticket_at is not null and j.state = 'queued' order by j.queue limit 1)
  union all
  select (select j.queue from jobs.job j where j.ticket_at is not null and j.state = 'queued' and j.queue > q.queue order by j.queue limit 1) from q where q.queue is not null
), stuck as (
  select q.queue, late.n, late.oldest
  from q left join jobs.queue m on m.name = q.queue
  cross join lateral (
    select count(*) as n, min(l.ticket_at) as oldest from (
      select j.ticket_at from jobs.job j
      where j.state = 'queued' and j.queue = q.queue and (m.paused_at is null or m.paused_until < now() - interval '5 minutes') and j.ticket_at < greatest(
        case when m.swept_at < now() - interval '1 minute' and (m.swept_at < m.swept_to + interval '3 seconds' or not exists (select from jobs.fair_queue f where f.name = q.queue)) then m.swept_to - interval '1 second' end,
        case when coalesce(m.marker_at, '-infinity') < now() - interval '5 minutes' then now() - interval '5 minutes' end)
      order by j.ticket_at limit 1000
    ) l
  ) late
  where q.queue is not null
)
select 'queued-stuck', coalesce(sum(n), 0)::bigint, min(oldest), 'in ' || string_agg(queue, ', ' order by queue) from stuck where n > 0
