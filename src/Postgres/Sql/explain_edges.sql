-- For whom a blocked job ($1) waits: those that hold it first. History is looked at from $2 on. $3 of them.
select e.parent, e.effect, e.held_at, coalesce(j.state, h.state)::text, h.ended_at, coalesce(j.type, h.type)
from jobs.edge e
left join jobs.job j on j.id = any(array[e.parent])
left join lateral (select h.state, h.ended_at, h.type from jobs.history h where h.id = e.parent and h.ended_at >= $2 and j.id is null limit 1) h on true
where e.child = $1
order by e.held_at is null, e.parent limit $3
