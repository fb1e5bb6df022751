-- No row: others have ended this session.
update jobs.session set heartbeat_at = now(), running = $2, abandoned = $3 where id = $1
