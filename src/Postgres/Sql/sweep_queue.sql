-- A worker met the marker that was sent at $2: every ticket sent before it has been delivered to someone.
insert into jobs.queue (name, swept_to, swept_at) values ($1, to_timestamp($2), now())
on conflict (name) do update set swept_to = excluded.swept_to, swept_at = now()
where queue.swept_to is null or queue.swept_to < excluded.swept_to
