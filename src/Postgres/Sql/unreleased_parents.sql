-- What a crash left behind: parents that are no longer live although others still wait to be told.
select distinct e.parent from jobs.edge e
where e.held_at is null and not exists (select from jobs.job j where j.id = e.parent) limit $1
