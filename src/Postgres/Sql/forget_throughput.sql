-- Windows that are over a day old.
delete from jobs.throughput where at < now() - interval '24 hours'
