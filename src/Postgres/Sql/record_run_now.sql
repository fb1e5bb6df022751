-- Beside the schedule's own instants, which are whole seconds.
with noted as (
  insert into jobs.occurrence (schedule, at, job, reason)
  select s.name, now() + case when now() = date_trunc('second', now()) then interval '1 microsecond' else interval '0' end, $2, $3
  from jobs.schedule s where s.name = $1
)
update jobs.schedule s set last_job = $2 where s.name = $1
