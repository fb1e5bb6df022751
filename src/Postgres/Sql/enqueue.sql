-- E1: jobs that may run now. The ids are new; a conflict means that this very statement was repeated after an unknown outcome.
insert into jobs.job (id, type, queue, priority, state, ticket_at, args)
select t.id, t.type, t.queue, t.priority, 'queued', now(), t.args
from unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::json[]) as t (id, type, queue, priority, args)
on conflict do nothing
