-- E1, the general form: some are due later ($6 seconds from now, or at $7), some have ties, or all wait for the caller's commit ($8).
-- Waiting for a commit is being due at once: whoever sees the row first after the commit dispatches it.
insert into jobs.job (id, type, queue, priority, args, state, due_at, ticket_at, expires_at, timeout, batch, after, waits, followed, origin, trace, tags, meta, fair)
select t.id, t.type, t.queue, t.priority, t.args,
  case when t.waits > 0 then 'blocked' when d.due > now() then 'scheduled' when $8 then 'pending' else 'queued' end::jobs.state,
  case when d.due > now() then d.due when $8 and t.waits = 0 then now() end,
  case when t.waits > 0 or d.due > now() or $8 then null else now() end,
  now() + t.expires * interval '1 second', t.timeout, t.batch, t.after::uuid[], nullif(t.waits, 0), nullif(t.followed, false), t.origin, t.trace, t.tags::text[], t.meta,
  case when exists (select from jobs.fair_queue) then jobs.fair_of(t.queue, t.args) end
from unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::json[], $6::float8[], $7::timestamptz[],
  $9::float8[], $10::float4[], $11::uuid[], $12::text[], $13::integer[], $14::boolean[], $15::text[], $16::text[], $17::text[], $18::jsonb[])
  as t (id, type, queue, priority, args, delay, run_at, expires, timeout, batch, after, waits, followed, origin, trace, tags, meta)
cross join lateral (select coalesce(t.run_at, now() + t.delay * interval '1 second') as due) d
on conflict do nothing
returning id, state::text, null
