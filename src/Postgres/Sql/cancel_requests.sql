-- At a signal and with the heartbeat: the attempts of this session whose end was asked for. Nothing is deleted by being read: a lost answer loses nothing. The table holds
-- what is being cancelled just now, so it is short.
select j.id, j.attempt, r.by, r.reason from jobs.cancel_request r join jobs.job j on j.id = any(array[r.job])
where j.state = 'running' and j.session = $1
