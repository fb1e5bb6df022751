-- With the heartbeat: the attempts of this session that are to stop. Deleted by being read; what is told is only what still runs and ran when it was asked for.
with taken as (
  delete from jobs.cancel_request where session = $1 returning job, requested_at
)
select j.id, j.attempt from taken t join jobs.job j on j.id = t.job
where j.state = 'running' and j.session = $1 and j.started_at <= t.requested_at
