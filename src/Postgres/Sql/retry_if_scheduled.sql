-- Of the next $2 live jobs below $1: those that are scheduled are queued now, by $3, because of $4.
with page as materialized (
  select id from jobs.job where id < $1 and {live} order by id desc limit $2
), mine as materialized (
  select id from jobs.job where id = any(array(select page.id from page)) and state = 'scheduled' and {live} order by id for update
), changed as (
  update jobs.job j set
    state = 'queued', dispatch = j.dispatch + 1, ticket_at = now(), due_at = null,
    fair = case when exists (select from jobs.fair_queue) then jobs.fair_of(j.queue, j.args) end,
    events = case when jsonb_array_length(j.events) >= 100 then j.events #- '{20}' else coalesce(j.events, '[]') end || jsonb_strip_nulls(jsonb_build_object('at', now(), 'what', 'retryNow', 'by', $3, 'reason', $4, 'dueAt', j.due_at))
  from mine m where j.id = any(array[m.id]) and j.state = 'scheduled'
  returning j.id, j.dispatch, j.queue, j.priority, j.type
)
select id, 'done', dispatch, queue, priority, type, null::uuid, false, null::uuid from changed
union all
select p.id, 'left', 0, null, null, null, null, false, null from page p where p.id not in (select mine.id from mine)
