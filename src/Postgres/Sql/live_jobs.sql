-- Those of the jobs that have not ended; and of those that run, which attempt.
select j.id, case when j.state = 'running' then j.attempt end from jobs.job j where j.id = any($1::uuid[])
