-- Of the next $2 live jobs below $1: those that wait get the priority $3, by $4, because of $5. A queued one gets another dispatch, so that its old ticket is stale, and a ticket.
-- What is asked for holds again under the lock: a job that has been claimed meanwhile is left.
with page as materialized (
  select id from jobs.job where id < $1 and {live} order by id desc limit $2
), mine as materialized (
  select id, priority from jobs.job
  where id = any(array(select page.id from page)) and state in ('pending', 'scheduled', 'queued', 'blocked') and {live}
  order by id for update
), changed as (
  update jobs.job j set
    priority = $3,
    dispatch = j.dispatch + (j.state = 'queued')::integer,
    ticket_at = case when j.state = 'queued' then now() end,
    events = case when jsonb_array_length(j.events) >= 100 then j.events #- '{20}' else coalesce(j.events, '[]') end || jsonb_strip_nulls(jsonb_build_object('at', now(), 'what', 'priority', 'by', $4, 'reason', $5, 'from', j.priority::text, 'to', $3::text))
  from mine m where j.id = any(array[m.id]) and j.state in ('pending', 'scheduled', 'queued', 'blocked') and j.priority <> $3
  returning j.id, case when j.state = 'queued' then j.dispatch else 0 end as dispatch, j.queue, j.priority, j.type
)
select id, 'done', dispatch, queue, priority, type, null::uuid, false, null::uuid from changed
union all
select m.id, 'unchanged', 0, null, null, null, null, false, null from mine m where m.priority = $3
union all
select p.id, 'left', 0, null, null, null, null, false, null from page p where p.id not in (select mine.id from mine)
