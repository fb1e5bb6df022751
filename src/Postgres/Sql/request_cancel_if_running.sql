-- Asks the worker that runs it to cancel it; obeyed by the session that holds it, and no other.
insert into jobs.cancel_request (job, session)
select j.id, j.session from jobs.job j where j.id = $1 and j.state = 'running' and j.session is not null
on conflict do nothing
