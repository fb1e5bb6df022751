-- E1, for jobs with a key that only one job at a time may have ($19; $20: until its first claim). The unique index decides, in this very statement, and the answer names
-- whoever has the key. $21 says what becomes of that job: 'replace' its arguments, 'move' its time, or 'keep' it as it is. One that is kept is only looked at where it can be
-- seen: locking it would hold up its end until this transaction, which may be an app's own, has committed. Of several rows with one key the last one counts.
-- `offset 0` has each key looked up, whatever the planner thinks. What an earlier try ($22) has written is left out by its id.
with new as materialized (
  select distinct on (u.unique_key) u.*
  from unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::json[], $6::float8[], $7::timestamptz[],
    $9::float8[], $10::float4[], $11::uuid[], $12::text[], $13::integer[], $14::boolean[], $15::text[], $16::text[], $17::text[], $18::jsonb[], $19::text[], $20::boolean[])
    with ordinality as u (id, type, queue, priority, args, delay, run_at, expires, timeout, batch, after, waits, followed, origin, trace, tags, meta, unique_key, unique_waiting, n)
  where not $22 or not exists (select from jobs.job j where j.id = any(array[u.id]))
  order by u.unique_key, u.n desc
), kept as materialized (
  select j.id, j.state, j.unique_key from new n cross join lateral (select * from jobs.job j where j.unique_key = n.unique_key offset 0) j where $21 = 'keep'
), written as (
  insert into jobs.job (id, type, queue, priority, args, state, due_at, ticket_at, expires_at, timeout, batch, after, waits, followed, origin, trace, tags, meta, unique_key, unique_waiting, fair)
  select t.id, t.type, t.queue, t.priority, t.args,
    case when t.waits > 0 then 'blocked' when d.due > now() then 'scheduled' when $8 then 'pending' else 'queued' end::jobs.state,
    case when d.due > now() then d.due when $8 and t.waits = 0 then now() end,
    case when t.waits > 0 or d.due > now() or $8 then null else now() end,
    now() + t.expires * interval '1 second', t.timeout, t.batch, t.after::uuid[], nullif(t.waits, 0), nullif(t.followed, false), t.origin, t.trace, t.tags::text[], t.meta, t.unique_key, nullif(t.unique_waiting, false),
    case when exists (select from jobs.fair_queue) then jobs.fair_of(t.queue, t.args) end
  from new t
  cross join lateral (select coalesce(t.run_at, now() + t.delay * interval '1 second') as due) d
  where not exists (select from kept k where k.unique_key = t.unique_key)
  on conflict (unique_key) where unique_key is not null do update set
    args = case when $21 = 'replace' and job.state <> 'running' then excluded.args else job.args end,
    fair = case when $21 = 'replace' and job.state <> 'running' and exists (select from jobs.fair_queue) then jobs.fair_of(job.queue, excluded.args) else job.fair end,
    state = case when $21 = 'move' and (job.state in ('pending', 'scheduled', 'queued') or job.blocked_on is not null) and excluded.due_at > now() then 'scheduled' else job.state end,
    due_at = case when $21 = 'move' and (job.state in ('pending', 'scheduled') or (job.state = 'queued' or job.blocked_on is not null) and excluded.due_at > now()) then coalesce(excluded.due_at, now())
                  when $21 = 'move' and job.state = 'blocked' and job.blocked_on is null then excluded.due_at
                  else job.due_at end,
    ticket_at = case when $21 = 'move' and job.state = 'queued' and excluded.due_at > now() then null else job.ticket_at end,
    blocked_on = case when $21 = 'move' and excluded.due_at > now() then null else job.blocked_on end
  returning id, state, unique_key
)
select id, state::text, unique_key from written
union all
select id, state::text, unique_key from kept
