-- What a crash left behind: parents that are no longer live although others still wait to be told. Each is looked up on its own; `not exists` may be planned as a walk through all jobs.
select distinct e.parent from jobs.edge e
where e.held_at is null and (select j.id from jobs.job j where j.id = e.parent) is null limit $1
