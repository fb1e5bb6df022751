-- Of the next $2 live jobs below $1: those that wait are moved to the queue $3 (null: they stay in theirs) and to the time $5, or $4 seconds from now (both null: they keep theirs),
-- by $6, because of $7. A time to come makes them scheduled, any other queued; one that waits for others stays blocked; one that a limit holds back tries again. Tickets that are out are stale.
with page as materialized (
  select id from jobs.job where id < $1 and {live} order by id desc limit $2
), due as (
  select coalesce($5, now() + $4 * interval '1 second') as at
), mine as materialized (
  select id, coalesce($3, queue) as queue,
    case when blocked_on is null and (state = 'blocked' or due.at is null) then state when due.at > now() then 'scheduled' else 'queued' end as state,
    case when due.at is null then due_at when due.at > now() then due.at end as due_at,
    (due.at is null or (due.at <= now() and state in ('queued', 'blocked') and due_at is null)) and coalesce($3 = queue, true) as same
  from jobs.job, due
  where id = any(array(select page.id from page)) and state in ('pending', 'scheduled', 'queued', 'blocked') and {live}
  order by id for update of job
), changed as (
  update jobs.job j set
    queue = m.queue, state = m.state, due_at = m.due_at, blocked_on = null, woken_at = null,
    dispatch = j.dispatch + (j.state = 'queued' or m.state = 'queued')::integer,
    ticket_at = case when m.state = 'queued' then now() end,
    fair = case when exists (select from jobs.fair_queue) then jobs.fair_of(m.queue, j.args) end,
    events = case when jsonb_array_length(j.events) >= 100 then j.events #- '{20}' else coalesce(j.events, '[]') end
      || case when j.queue <> m.queue then jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('at', now(), 'what', 'queue', 'by', $6, 'reason', $7, 'from', j.queue, 'to', m.queue))) else '[]' end
      || case when due.at is not null then jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('at', now(), 'what', 'time', 'by', $6, 'reason', $7,
           'from', to_char(j.due_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
           'to', coalesce(to_char(m.due_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'now')))) else '[]' end
  from mine m, due where j.id = any(array[m.id]) and j.state in ('pending', 'scheduled', 'queued', 'blocked') and not m.same
  returning j.id, case when j.state = 'queued' then j.dispatch else 0 end as dispatch, j.queue, j.priority, j.type
)
select id, 'done', dispatch, queue, priority, type, null::uuid, false, null::uuid from changed
union all
select m.id, 'unchanged', 0, null, null, null, null, false, null from mine m where m.same
union all
select p.id, 'left', 0, null, null, null, null, false, null from page p where p.id not in (select mine.id from mine)
