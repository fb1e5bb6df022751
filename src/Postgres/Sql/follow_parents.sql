-- Marks the jobs that others are about to wait for, so that whoever ends one of them lets those go. Holding the row keeps its end from overtaking the marking.
-- Says of each whether it is live; null: not live when this statement began, and not in history then.
with parent as (
  select distinct p.id from unnest($1::uuid[]) as p (id)
), live as materialized (
  select j.id from jobs.job j join parent p on j.id = any(array[p.id]) order by p.id for no key update of j
), marked as (
  update jobs.job j set followed = true from live where j.id = any(array[live.id]) and j.followed is not true
)
select p.id, case when live.id is not null then true when exists (select from jobs.history h where h.id = p.id and h.ended_at >= $2) then false end
from parent p left join live on live.id = p.id
