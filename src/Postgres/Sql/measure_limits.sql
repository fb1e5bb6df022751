-- How many running jobs each limit counts, and how many jobs wait at its gates.
select r.name, g.held, w.waiting
from jobs.limit_rule r
cross join lateral (select coalesce(sum(jobs.held(g)), 0)::bigint as held from jobs.gate g where g.rule = r.name) g
cross join lateral (select count(*) as waiting from jobs.job j where j.blocked_on >= r.name || ':' collate "C" and j.blocked_on < r.name || ';' collate "C") w
order by r.name
