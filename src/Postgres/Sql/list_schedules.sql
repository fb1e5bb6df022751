-- All, or the one with the name $1.
select s.name, s.cron, s.every_seconds, s.zone, s.type, s.queue, s.priority, s.args, s.ties, s.starts_at, s.ends_at, s.excluded, s.on_missing, s.on_repeated, s.catch_up, s.overlap,
  s.created_at, s.changed_at, s.paused_at, s.paused_by, s.resumed_at, s.recorded_to, s.next_at, s.last_job, now()
from jobs.schedule s where $1::text is null or s.name = $1 order by s.name
