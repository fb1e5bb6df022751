-- Seconds from the first start to the last.
select extract(epoch from max(started_at) - min(started_at))::float8 from jobs.history
