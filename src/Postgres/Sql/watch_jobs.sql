-- Session $2 wants to be told of the ends of these jobs. Marked as followed, so that whoever ends one of them tells; holding the row keeps its end from overtaking the marking.
-- Answers with those that are live: the others have ended, or were never there.
with live as materialized (
  select j.id from jobs.job j join (select distinct w.id from unnest($1::uuid[]) as w (id)) w on j.id = any(array[w.id]) order by w.id for no key update of j
), marked as (
  update jobs.job j set followed = true from live where j.id = any(array[live.id]) and j.followed is not true
), watched as (
  insert into jobs.watch (job, session) select live.id, $2 from live on conflict do nothing
)
select live.id from live
