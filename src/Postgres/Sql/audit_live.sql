-- Jobs that nothing will ever move: blocked, and waiting for nobody; running, and their session is gone for a minute. Reads all live jobs, as the rescue does: no index says what runs.
with found as (
  select j.state, j.enqueued_at, j.started_at from jobs.job j
  where (j.state = 'blocked' and j.waits > 0 and not exists (select from jobs.edge e where e.child = j.id))
    or (j.state = 'running' and j.started_at < now() - interval '1 minute' and not exists (select from jobs.session s where s.id = j.session)
      and not exists (select from jobs.past_session p where p.id = j.session and p.ended_at > now() - interval '1 minute'))
)
select 'blocked-stuck', count(*) filter (where state = 'blocked'), min(enqueued_at) filter (where state = 'blocked'), null::text from found
union all
select 'running-stuck', count(*) filter (where state = 'running'), min(started_at) filter (where state = 'running'), null from found
