select s.id, s.host, s.process_id, s.roles, s.queues::text, s.running, s.abandoned, s.started_at, extract(epoch from now() - s.heartbeat_at)::float8, 
  exists (select from jobs.leader l where l.session = s.id and l.until > now()),
  case when s.drain_at is not null then jsonb_build_object('at', s.drain_at, 'by', s.drain_by, 'reason', s.drain_reason) end, s.slots::text
from jobs.session s order by s.started_at
