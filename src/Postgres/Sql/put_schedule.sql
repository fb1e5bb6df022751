-- Adds a schedule, which starts now, or changes the one with this name where it differs. A changed one goes on from its watermark, so nothing is enqueued twice or
-- lost: from now if the ledger is known to be complete, else from where it ends, because what is still to be recorded must not be left out. A paused one stays paused. No row: nothing differs.
insert into jobs.schedule as s (name, cron, every_seconds, zone, type, queue, priority, args, ties, starts_at, ends_at, excluded, on_missing, on_repeated, catch_up, overlap, next_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, '-infinity')
on conflict (name) do update set
  cron = excluded.cron, every_seconds = excluded.every_seconds, zone = excluded.zone, type = excluded.type, queue = excluded.queue, priority = excluded.priority,
  args = excluded.args, ties = excluded.ties, starts_at = excluded.starts_at, ends_at = excluded.ends_at, excluded = excluded.excluded, on_missing = excluded.on_missing,
  on_repeated = excluded.on_repeated, catch_up = excluded.catch_up, overlap = excluded.overlap, changed_at = now(),
  recorded_to = case when s.paused_at is null and (s.next_at is null or s.next_at > now()) then greatest(s.recorded_to, now()) else s.recorded_to end, next_at = '-infinity'
where (s.cron, s.every_seconds, s.zone, s.type, s.queue, s.priority, s.args::text, s.ties, s.starts_at, s.ends_at, s.excluded, s.on_missing, s.on_repeated, s.catch_up, s.overlap)
  is distinct from (excluded.cron, excluded.every_seconds, excluded.zone, excluded.type, excluded.queue, excluded.priority, excluded.args::text, excluded.ties, excluded.starts_at,
    excluded.ends_at, excluded.excluded, excluded.on_missing, excluded.on_repeated, excluded.catch_up, excluded.overlap)
returning s.name
