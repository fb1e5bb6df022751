-- Of the next $2 ended jobs above $1 that ended before $5 (null: now): each is given a new life, by $3, because of $4, unless it has one; retried_as, set under the lock in this
-- statement, is what makes it one. Of the redrive $6, unless it has been undone, and then due at $7 + n / $8 (null: now), n from $9.
-- A new life has a new id, its attempts ahead of it, and what the old one was made of, but no key, no deadline, no batch and nobody to wait for.
with page as materialized (
  select id from jobs.history
  where id > $1 and retried_as is null and ended_at < coalesce($5, now()) and {ended}
    and ($6::uuid is null or exists (select from jobs.redrive r where r.id = $6 and r.undone_at is null))
  order by id limit $2
), redrive as materialized (
  select r.id from jobs.redrive r where r.id = $6 and r.undone_at is null for share
), mine as materialized (
  select * from jobs.history
  where id = any(array(select page.id from page)) and retried_as is null and {ended} and ($6::uuid is null or exists (select from redrive))
  order by id for update of history
), life as materialized (
  select m.*, jobs.new_id() as life, $7 + ((row_number() over (order by m.id) + $9) / $8) * interval '1 second' as due from mine m
), marked as (
  update jobs.history h set retried_as = l.life
  from life l where h.id = l.id and h.state = l.state and h.ended_at = l.ended_at and h.retried_as is null
  returning h.id as retry_of, l.life, l.type, l.queue, l.priority, l.args, l.timeout, l.trace, l.tags, l.meta, l.due
), born as (
  insert into jobs.job (id, type, queue, priority, args, state, due_at, ticket_at, timeout, trace, tags, meta, retry_of, origin, events, fair)
  select m.life, m.type, m.queue, m.priority, m.args,
    case when m.due > now() then 'scheduled' else 'queued' end::jobs.state, case when m.due > now() then m.due end, case when m.due > now() then null else now() end,
    m.timeout, m.trace,
    nullif(array(select t from unnest(m.tags) t where t not like 'redrive:%') || case when $6::uuid is null then '{}' else array['redrive:' || $6::text] end, '{}'),
    m.meta, m.retry_of, case when $6::uuid is null then 'retry ' || $3 else 'redrive ' || $6::text end,
    jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('at', now(), 'what', 'retryNow', 'by', $3, 'reason', $4, 'from', m.retry_of))),
    case when exists (select from jobs.fair_queue) then jobs.fair_of(m.queue, m.args) end
  from marked m
  returning id, case when state = 'queued' then dispatch else 0 end as dispatch, queue, priority, type, retry_of, due_at
)
select retry_of, 'done', dispatch, queue, priority, type, id, false, null::uuid, now(), due_at from born
union all
select p.id, 'left', 0, null, null, null, null, false, null, now(), null from page p where p.id not in (select life.id from life)
