-- Gates at which somebody waits, from $1 on, $2 of them, and whether that is for time to pass.
select g.id, r.algorithm is not null or g.paused_until > now()
from jobs.gate g left join jobs.limit_rule r on r.name = g.rule
where g.waiting and g.id > $1 order by g.id limit $2
