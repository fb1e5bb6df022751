-- Whoever holds the row records its occurrences. A process that is paused or cut off while it does loses the transaction, and with it the lock, after 10 s.
select s.name, s.cron, s.every_seconds, s.zone, s.type, s.queue, s.priority, s.args, s.ties, s.starts_at, s.ends_at, s.excluded, s.on_missing, s.on_repeated, s.catch_up, s.overlap,
  s.created_at, s.changed_at, s.paused_at, s.paused_by, s.resumed_at, s.recorded_to, s.next_at, s.last_job, now(),
  set_config('idle_in_transaction_session_timeout', '10000', true)
from jobs.schedule s where s.name = $1
for update
