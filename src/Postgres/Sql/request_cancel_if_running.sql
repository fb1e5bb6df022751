-- Asks the workers that run these jobs to stop them. Nothing is asked for the others. A second request renews the first, which may have been for another session.
insert into jobs.cancel_request (job, session)
select j.id, j.session from jobs.job j where j.id = any($1::uuid[]) and j.state = 'running'
order by j.id
on conflict (job) do update set session = excluded.session, requested_at = excluded.requested_at
returning job
