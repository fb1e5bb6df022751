-- Whether a job's log grows no more: it is not live, and it did not end within the last $3 seconds.
select not exists (select from jobs.job j where j.id = $1)
  and not exists (select from jobs.history h where h.id = $1 and h.ended_at >= greatest($2, now() - $3 * interval '1 second'))
