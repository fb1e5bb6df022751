-- No row: others have ended this session. $4: outcomes that were refused since the heartbeat before. $5: a worker's slots.
update jobs.session set heartbeat_at = now(), running = $2, abandoned = $3, refused = refused + $4, refused_at = case when $4 > 0 then now() else refused_at end,
  slots = $5, queues = coalesce((select jsonb_object_agg(q ->> 'queue', q -> 'slots') from jsonb_array_elements($5::jsonb -> 'queues') q), queues)
where id = $1
