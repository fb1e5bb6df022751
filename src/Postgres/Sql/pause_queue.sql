-- From this commit on no claim of the queue ($1) takes anything (claim_if_queued), until $4 or, if that is null, until it is resumed. Paused anew, the newest order counts.
insert into jobs.queue (name, paused_at, paused_by, pause_reason, paused_until) values ($1, now(), $2, $3, $4)
on conflict (name) do update set paused_at = excluded.paused_at, paused_by = excluded.paused_by, pause_reason = excluded.pause_reason, paused_until = excluded.paused_until
returning jobs.signal('queue ' || name)
