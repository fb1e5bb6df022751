-- Since when, by whom and why this running job is to stop.
select r.requested_at, r.by, r.reason from jobs.cancel_request r where r.job = $1
