-- Guard: the caller holds the row (lock_schedule). $5: the end of a pause has been written down.
update jobs.schedule s set
  recorded_to = greatest(s.recorded_to, $2), next_at = $3, last_job = coalesce($4, s.last_job),
  paused_at = case when $5 then null else s.paused_at end, paused_by = case when $5 then null else s.paused_by end, resumed_at = case when $5 then null else s.resumed_at end
where s.name = $1
