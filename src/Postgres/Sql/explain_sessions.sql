-- Every process that takes part, and what it has to do with queue $1 and type $2. One row at least, so that the database's time is known in any case.
select clock.now, s.id, s.host, s.process_id, 'scheduler' = any(s.roles), (s.queues ->> $1)::integer, $2 = any(s.types), extract(epoch from clock.now - s.heartbeat_at)::float8,
  s.drain_at is not null, exists (select from jobs.leader l where l.session = s.id and l.until > clock.now)
from (select now() as now) clock left join jobs.session s on true
