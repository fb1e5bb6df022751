-- What a worker ($1) on these queues ($2) has been told: which of them are paused, with the seconds until that ends by itself; whether it is to leave; how many slots its queues and pools ($3) have, of the
-- settings that name it ($4, the most particular first).
select 'paused', q.name, extract(epoch from q.paused_until - now())::float8, null::integer, null::timestamptz, q.paused_by, q.pause_reason
from jobs.queue q where q.name = any($2::text[]) and q.paused_at is not null and (q.paused_until is null or q.paused_until > now())
union all
select 'drain', null, null, null, s.drain_at, s.drain_by, s.drain_reason from jobs.session s where s.id = $1 and s.drain_at is not null
union all
select * from (
  select distinct on (w.kind, w.name) w.kind, w.name, null::float8, w.slots, w.at, w.by, w.reason from jobs.worker_setting w
  where w.name = any($2::text[] || $3::text[]) and w.worker = any($4::text[])
  order by w.kind, w.name, array_position($4::text[], w.worker)
) settings
