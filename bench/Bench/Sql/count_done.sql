-- What the newest drain has ended: the jobs of the high priority.
select count(*) from jobs.history where priority = 24
