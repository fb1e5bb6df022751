-- The newest order counts. $3 is empty for all workers. No row: $3 is the id of a session ($7) that is not there. Orders to sessions that have ended are forgotten on the way.
with forgotten as (
  delete from jobs.worker_setting w
  where w.worker ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' and w.worker <> $3 and not exists (select from jobs.session s where s.id::text = w.worker)
)
insert into jobs.worker_setting as w (kind, name, worker, slots, by, reason)
select $1, $2, $3, $4, $5, $6 where $7::uuid is null or exists (select from jobs.session s where s.id = $7 and 'worker' = any(s.roles))
on conflict (kind, name, worker) do update set slots = excluded.slots, by = excluded.by, reason = excluded.reason, at = excluded.at
returning jobs.signal('slots ' || w.name)
