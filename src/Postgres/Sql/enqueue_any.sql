-- E1, the general form: some are due later ($6 seconds from now, or at $7), or all wait for the caller's commit ($8).
-- Waiting for a commit is being due at once: whoever sees the row first after the commit dispatches it.
insert into jobs.job (id, type, queue, priority, state, due_at, ticket_at, args)
select t.id, t.type, t.queue, t.priority,
  case when d.due > now() then 'scheduled' when $8 then 'pending' else 'queued' end::jobs.state,
  case when d.due > now() then d.due when $8 then now() end,
  case when d.due > now() or $8 then null else now() end,
  t.args
from unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::json[], $6::float8[], $7::timestamptz[]) as t (id, type, queue, priority, args, delay, run_at)
cross join lateral (select coalesce(t.run_at, now() + t.delay * interval '1 second') as due) d
on conflict do nothing
returning id, state::text
