-- No row: others have ended this session. $4: outcomes that were refused since the heartbeat before.
update jobs.session set heartbeat_at = now(), running = $2, abandoned = $3, refused = refused + $4, refused_at = case when $4 > 0 then now() else refused_at end
where id = $1
