-- The origin of whoever came first under this name.
with new as (
  insert into jobs_participant.installation (name, origin) values ($1, $2) on conflict (name) do nothing returning origin
)
select origin from new
union all
select origin from jobs_participant.installation where name = $1
limit 1
