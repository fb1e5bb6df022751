-- Requests that came too late: their session is gone, or the attempt has ended and its worker, which runs nothing now, has not taken them.
delete from jobs.cancel_request r
where not exists (select from jobs.job j where j.id = r.job and j.state = 'running' and j.session = r.session and j.started_at <= r.requested_at)
