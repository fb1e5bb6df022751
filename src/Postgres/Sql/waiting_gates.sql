-- Gates at which somebody waits, from $1 on, $2 of them, and whether that is for time to pass. Where the rule is gone it is for nothing: they go on as fast as they can be sent.
select g.id, r.name is null or r.algorithm is not null or coalesce(g.paused_until > now(), false)
from jobs.gate g left join jobs.limit_rule r on r.name = g.rule
where g.waiting and g.id > $1 order by g.id limit $2
