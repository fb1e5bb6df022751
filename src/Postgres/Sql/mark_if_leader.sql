-- Notes that a marker is about to be sent and says at what time; no row: no longer the leader.
insert into jobs.queue (name, marker_at)
select $1, now() where exists (select from jobs.leader where name = 'scheduler' and epoch = $2 and session = $3)
on conflict (name) do update set marker_at = excluded.marker_at
returning extract(epoch from marker_at)::float8
