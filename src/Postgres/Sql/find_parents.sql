-- As follow_parents, in somebody's own transaction: nothing is marked, because a marked row is locked until that commits, and would hold up its end and its neighbours' ends.
-- The sweep lets their followers go.
select p.id, case when exists (select from jobs.job j where j.id = any(array[p.id])) then true when exists (select from jobs.history h where h.id = p.id and h.ended_at >= $2) then false end
from (select distinct p.id from unnest($1::uuid[]) as p (id)) p
