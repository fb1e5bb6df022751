-- Of sessions that are gone, and of jobs and transactions that are: their waiters have looked for themselves by now.
delete from jobs.watch w
where not exists (select from jobs.session s where s.id = w.session)
  or (not exists (select from jobs.job j where j.id = any(array[w.job])) and not exists (select from jobs.transaction t where t.id = w.job and t.ended_at is null))
