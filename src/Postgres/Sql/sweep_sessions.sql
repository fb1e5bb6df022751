-- Ends sessions that are dead: no heartbeat for $1 seconds, or a suspect of the sweep before ($2) whose lock is still gone. Returns those it ended
-- and the suspects for the next sweep. A database that has just started proves nothing: nobody holds a lock or could send a heartbeat while it was down.
with held as materialized (
  select (l.classid::bigint << 32) | l.objid::bigint as lock_key
  from pg_locks l
  where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
    and l.database = (select d.oid from pg_database d where d.datname = current_database())
), seen as materialized (
  select s.id, s.host, s.process_id, s.heartbeat_at,
    extract(epoch from now() - greatest(s.heartbeat_at, pg_postmaster_start_time())) > $1 as silent,
    s.lock_key is not null and now() - pg_postmaster_start_time() > interval '15 seconds'
      and not exists (select from held h where h.lock_key = s.lock_key) as unlocked
  from jobs.session s
), dead as (
  delete from jobs.session s using seen
  where s.id = seen.id and s.heartbeat_at = seen.heartbeat_at and (seen.silent or (seen.unlocked and s.id = any($2::uuid[])))
  returning s.*
), kept as (
  insert into jobs.past_session (id, host, process_id, roles, queues, types, started_at, ending, refused, refused_at)
  select d.id, d.host, d.process_id, d.roles, d.queues, d.types, d.started_at, 'lost', d.refused, d.refused_at from dead d
  on conflict do nothing
)
select seen.id, seen.host, seen.process_id, dead.id is not null as ended, seen.silent,
  extract(epoch from now() - seen.heartbeat_at)::float8 as heartbeat_age
from seen left join dead on dead.id = seen.id
where seen.silent or seen.unlocked
