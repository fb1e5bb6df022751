-- What those who wait for these jobs want to know; nothing about a job that is neither live nor in history. One snapshot: a job that is being moved is in one of the two.
with found as materialized (
  select w.id, j.state, j.attempt, j.started_at, j.due_at, j.type, j.queue
  from (select distinct w.id from unnest($1::uuid[]) as w (id)) w left join jobs.job j on j.id = any(array[w.id])
)
select f.id, f.type, f.state::text, f.attempt, f.queue, extract(epoch from now() - f.started_at)::float8, extract(epoch from f.due_at - now())::float8, null::json, null::jsonb
from found f where f.state is not null
union all
select f.id, h.type, h.state::text, h.attempt, h.queue, null, null, h.result, case when h.state <> 'succeeded' then h.errors -> -1 end
from found f cross join lateral (
  select * from jobs.history h where h.id = f.id and h.ended_at >= $2 limit 1
) h
where f.state is null
