-- Requests whose job runs in another session than the one that was told: an attempt that was claimed before the request could stop it. Told anew, to who has it.
with moved as (
  update jobs.cancel_request r set session = j.session from jobs.job j
  where j.id = any(array[r.job]) and j.state = 'running' and j.session <> r.session
  returning r.job
)
select jobs.signal('cancel') from (select from moved limit 1) m
