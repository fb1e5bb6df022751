-- Ends one's own session, and keeps who it was. $2: the late outcomes of which no heartbeat has told.
with closed as (
  delete from jobs.session where id = $1 returning *
)
insert into jobs.past_session (id, host, process_id, roles, queues, types, started_at, ending, refused, refused_at)
select c.id, c.host, c.process_id, c.roles, c.queues, c.types, c.started_at, 'closed', c.refused + $2, case when $2 > 0 then now() else c.refused_at end from closed c
on conflict do nothing
