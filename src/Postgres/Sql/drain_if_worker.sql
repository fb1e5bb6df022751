-- Tells a worker ($1) to take no more jobs and to leave. Told twice, the first order stands. No row: no such process, or it runs no jobs.
update jobs.session s set drain_at = coalesce(s.drain_at, now()),
  drain_by = case when s.drain_at is null then $2 else s.drain_by end, drain_reason = case when s.drain_at is null then $3 else s.drain_reason end
where s.id = $1 and 'worker' = any(s.roles)
returning jobs.signal('drain ' || s.id)
