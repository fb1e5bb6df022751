-- What is wrong, or may be, with jobs that limits hold back. Each gate at which somebody waits is looked at once (an index descent each); who holds them is compared with the running jobs, and
-- reads all live jobs for it. One snapshot: what starts or stops a run changes both in one transaction.
with recursive at as (
  (select j.blocked_on as gate from jobs.job j where j.blocked_on is not null order by j.blocked_on limit 1)
  union all
  select (select j.blocked_on from jobs.job j where j.blocked_on > a.gate order by j.blocked_on limit 1) from at a where a.gate is not null
), gate as materialized (
  select a.gate as id, r.name, r.name is null or g.id is null or not g.waiting as unseen, coalesce(coalesce(g.slots, r.slots) = 0, false) as closed
  from at a left join jobs.gate g on g.id = a.gate left join jobs.limit_rule r on r.name = split_part(a.gate, ':', 1) where a.gate is not null
), unseen as materialized (
  select j.enqueued_at, g.id as gate from gate g join jobs.job j on j.blocked_on = g.id
  where g.unseen and not exists (select from jobs.queue q where q.name = j.queue and q.paused_at is not null and (q.paused_until is null or q.paused_until > now()))
), closed as materialized (
  select j.started_at, g.name from gate g join jobs.job j on j.blocked_on = g.id where g.closed
), long as materialized (
  select j.started_at, g.name from gate g join jobs.job j on j.blocked_on = g.id where j.started_at < now() - interval '1 hour' and not g.unseen
), counted as materialized (
  select c.id from (
    select g.id, jobs.held(g) from jobs.gate g where jobs.held(g) <> 0
    union all
    select s.gate, -1 from jobs.job j cross join unnest(j.slots) as s (gate) where j.state = 'running' and j.slots is not null) c (id, held)
  group by c.id having sum(c.held) <> 0
), paused as materialized (
  select g.id, g.paused_until from jobs.gate g where g.paused_until > now() + interval '1 hour'
)
select 'limited-stuck', count(*), min(u.enqueued_at), min(u.gate)::text from unseen u
union all
select 'slots-stuck', count(*), null, min(c.id)::text from counted c
union all
select 'limits-closed', count(*), min(c.started_at), string_agg(distinct c.name, ', ') from closed c
union all
select 'limits-paused', count(*), null, min(p.id)::text from paused p
union all
select 'limited-long', count(*), min(l.started_at), string_agg(distinct l.name, ', ') from long l
