-- Live jobs by queue and state, with what ended in the last minute.
with live as (
  select queue, state::text as state, count(*) as n from jobs.job group by queue, state
), ended as (
  select queue, state::text as state, count(*) as n from jobs.history where ended_at > now() - interval '1 minute' group by queue, state
)
select queue, state, n, false from live union all select queue, state, n, true from ended
union all select name, null, 0, false from jobs.queue
order by 1, 2
