-- E1: jobs that may run now, under new ids. Whatever may be there already (a repetition, an id of the caller's) goes through enqueue_any.sql:
-- `on conflict` would cost every row a speculative insertion.
insert into jobs.job (id, type, queue, priority, state, ticket_at, args, origin, fair)
select t.id, t.type, t.queue, t.priority, 'queued', now(), t.args, $6, case when exists (select from jobs.fair_queue) then jobs.fair_of(t.queue, t.args) end
from unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::json[]) as t (id, type, queue, priority, args)
