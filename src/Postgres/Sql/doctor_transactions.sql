-- Whether there are transactions that somebody has to coordinate and to watch.
select exists (select from jobs.transaction t where t.ended_at is null)
