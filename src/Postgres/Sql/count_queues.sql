-- Live jobs by queue and state, counted; and the queues without any: those that are known, and those that somebody serves.
select queue, state::text, count(*) from jobs.job group by queue, state
union all
select name, null, 0 from jobs.queue
union all
select name, null, 0 from jobs.fair_queue
union all
select jsonb_object_keys(queues), null, 0 from jobs.session
order by 1, 2
