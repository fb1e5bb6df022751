-- No row: it was not paused, or no longer.
with before as materialized (
  select q.name, q.paused_until is null or q.paused_until > now() as paused from jobs.queue q where q.name = $1 and q.paused_at is not null for update
), resumed as (
  update jobs.queue q set paused_at = null, paused_by = null, pause_reason = null, paused_until = null from before b where q.name = b.name
  returning b.paused, jobs.signal('queue ' || q.name)
)
select 1 from resumed where paused
