-- Live jobs by queue and state, counted; and the queues that there are without any.
select queue, state::text, count(*) from jobs.job group by queue, state
union all
select name, null, 0 from jobs.queue
order by 1, 2
