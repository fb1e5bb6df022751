-- The gate at which job $1 is blocked: its rule (null: gone), its numbers, up to $2 of the running jobs that hold it, how many wait before the job (of the first $3), and when the meter lets
-- through what the job costs. Who holds it is not indexed: all live jobs are read for it, if somebody does.
with me as materialized (
  select j.id, j.blocked_on, j.priority, j.started_at, j.args from jobs.job j where j.id = $1 and j.state = 'blocked' and j.blocked_on is not null
), held as materialized (
  select j.id, j.started_at from jobs.job j
  where j.state = 'running' and j.slots @> (select array[m.blocked_on] from me m) and exists (select from me m join jobs.gate g on g.id = m.blocked_on where jobs.held(g) > 0)
  order by j.started_at, j.id limit $2
)
select coalesce(r.name, split_part(m.blocked_on, ':', 1)), r.queue, r.type, r.key, r.slots, r.algorithm, r.amount, r.period, r.burst, r.cost, r.name is not null,
  substr(m.blocked_on, length(split_part(m.blocked_on, ':', 1)) + 2), coalesce(g.slots, r.slots), coalesce(g.amount, r.amount), coalesce(jobs.held(g), 0),
  case when g.paused_until > now() then g.paused_until end, g.paused_by, m.started_at, t.cost, p.tokens, n.permit, h.ids, b.seen, b.before
from me m
left join jobs.gate g on g.id = m.blocked_on
left join jobs.limit_rule r on r.name = split_part(m.blocked_on, ':', 1)
cross join lateral (select jobs.token_cost(m.args, r.cost) as cost) t
left join lateral jobs.read_meter(r.algorithm, coalesce(g.amount, r.amount), r.period, r.burst, coalesce(g.level, 0), g.at, g.segments, clock_timestamp()) p on r.algorithm is not null
left join lateral jobs.permit(r.algorithm, coalesce(g.amount, r.amount), r.period, r.burst, coalesce(g.level, 0), g.at, g.segments, clock_timestamp(), t.cost) n on r.algorithm is not null
cross join lateral (select array_agg(h.id order by h.started_at, h.id) as ids from held h) h
cross join lateral (
  select count(*) as seen, count(*) filter (where f.priority > m.priority or (f.priority = m.priority and f.id < m.id)) as before
  from (select j.priority, j.id from jobs.job j where j.blocked_on = m.blocked_on order by j.priority desc, j.id limit $3) f) b
