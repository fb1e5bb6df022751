-- Sums what ended from $1 to $2 by queue, kind of end and window of 10 s. What is there stays: two leaders for a moment do no harm. A job that was never started has waited until its end.
insert into jobs.throughput (queue, state, at, n, wait_seconds, run_seconds)
select h.queue, h.state, date_bin('10 seconds', h.ended_at, timestamptz 'epoch'), count(*),
  extract(epoch from sum(coalesce(h.started_at, h.ended_at) - h.enqueued_at)), coalesce(extract(epoch from sum(h.ended_at - h.started_at)), 0)
from jobs.history h
where h.ended_at >= $1 and h.ended_at < $2
group by 1, 2, 3
on conflict do nothing
