-- Paused from now on. While the end of an earlier pause is still to be written down, that pause goes on. Twice changes nothing.
update jobs.schedule s set
  paused_at = coalesce(s.paused_at, now()), paused_by = case when s.paused_at is null or s.resumed_at is not null then $2 else s.paused_by end,
  resumed_at = null, changed_at = case when s.paused_at is null or s.resumed_at is not null then now() else s.changed_at end, next_at = '-infinity'
where s.name = $1
returning s.name
