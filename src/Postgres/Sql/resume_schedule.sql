-- The recorder writes down what the pause left out and clears it. A schedule that is not paused stays as it is.
update jobs.schedule s set
  resumed_at = case when s.paused_at is not null then coalesce(s.resumed_at, now()) end,
  changed_at = case when s.paused_at is not null and s.resumed_at is null then now() else s.changed_at end, next_at = '-infinity'
where s.name = $1
returning s.name
