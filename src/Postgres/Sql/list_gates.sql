-- The busiest $3 gates of rule $1, or the one for the value $2 of its key, whether it is there or not: their numbers, up to $4 of the jobs that hold them, the longest running first, and how
-- many wait (at most $5 are counted). Who holds them is not indexed: all live jobs are read for it, once, and only if somebody does.
with rule as materialized (
  select * from jobs.limit_rule r where r.name = $1
), chosen as materialized (
  (select g.id from jobs.gate g where g.rule = $1 and $2::text is null
   order by g.waiting desc, coalesce(g.paused_until > now(), false) desc, jobs.held(g) desc, g.slots is null and g.amount is null, g.id limit $3)
  union
  select (r.name || ':' || case when r.key is null then '' else jobs.gate_key(to_json($2::text), '{}') end) collate "C" from rule r where r.key is null or $2 is not null
), held as materialized (
  select s.gate, j.id, j.started_at from jobs.job j cross join unnest(j.slots) as s (gate)
  where j.state = 'running' and s.gate = any((select array_agg(c.id) from chosen c)::text[]) and exists (select from chosen c join jobs.gate g on g.id = c.id where jobs.held(g) > 0)
)
select case when r.key is not null then substr(c.id, length(r.name) + 2) end, g.slots, g.amount, coalesce(g.slots, r.slots), case when r.algorithm is not null then coalesce(g.amount, r.amount) end,
  coalesce(jobs.held(g), 0), h.ids, w.waiting, m.tokens, m.next_at, case when g.paused_until > now() then g.paused_until end, case when g.paused_until > now() then g.paused_by end
from chosen c cross join rule r left join jobs.gate g on g.id = c.id
left join lateral jobs.read_meter(r.algorithm, coalesce(g.amount, r.amount), r.period, r.burst, coalesce(g.level, 0), g.at, g.segments, clock_timestamp()) m on r.algorithm is not null
cross join lateral (select array_agg(f.id) as ids from (select h.id from held h where h.gate = c.id order by h.started_at, h.id limit $4) f) h
cross join lateral (select count(*) as waiting from (select from jobs.job j where j.blocked_on = c.id limit $5) f) w
order by w.waiting desc, coalesce(jobs.held(g), 0) desc, c.id
