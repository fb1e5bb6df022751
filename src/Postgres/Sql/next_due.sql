-- Seconds until the next job is due; null when none waits.
select extract(epoch from min(due_at) - clock_timestamp())::float8 from jobs.job where state in ('pending', 'scheduled')
