-- Asks the workers that run these jobs ($1) to stop them, for $2 and because of $3. Nothing is asked for the others. Their rows are not locked: the ends of running jobs lock many, in
-- no order. One that ends meanwhile leaves a request that the scheduler clears away. Who asked first stands.
insert into jobs.cancel_request (job, session, by, reason)
select j.id, j.session, $2, $3 from jobs.job j where j.id = any($1::uuid[]) and j.state = 'running'
order by j.id
on conflict (job) do update set session = excluded.session
returning job, jobs.signal('cancel')
