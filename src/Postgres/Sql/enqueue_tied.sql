-- E1, as enqueue.sql: jobs that may run now, under new ids, with what costs no more than a column: deadlines and a batch. Its caller has seen that the batches are open.
insert into jobs.job (id, type, queue, priority, state, ticket_at, args, expires_at, timeout, batch)
select t.id, t.type, t.queue, t.priority, 'queued', now(), t.args, now() + t.expires * interval '1 second', t.timeout, t.batch
from unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::json[], $6::float8[], $7::float4[], $8::uuid[])
  as t (id, type, queue, priority, args, expires, timeout, batch)
