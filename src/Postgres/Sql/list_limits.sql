-- All rules by name, or the rule $1, with what their gates hold, how many jobs wait at them (at most $2 are counted), and how many of them are paused.
select r.name, r.queue, r.type, r.key, r.slots, r.algorithm, r.amount, r.period, r.burst, r.cost, r.origin, r.set_at, r.by, r.reason, g.held, g.paused, w.waiting
from jobs.limit_rule r
cross join lateral (
  select coalesce(sum(jobs.held(g)), 0)::bigint as held, count(*) filter (where g.paused_until > now()) as paused from jobs.gate g where g.rule = r.name) g
cross join lateral (
  select count(*) as waiting from (select from jobs.job j where j.blocked_on >= r.name || ':' collate "C" and j.blocked_on < r.name || ';' collate "C" limit $2) w) w
where $1::text is null or r.name = $1
order by r.name
