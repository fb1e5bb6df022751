-- E1, as enqueue.sql: jobs that may run now, under new ids, with what costs no more than a column: deadlines, a batch, what is carried along. Its caller has seen that the batches are open.
insert into jobs.job (id, type, queue, priority, state, ticket_at, args, expires_at, timeout, batch, origin, trace, tags, meta, fair)
select t.id, t.type, t.queue, t.priority, 'queued', now(), t.args, now() + t.expires * interval '1 second', t.timeout, t.batch, t.origin, t.trace, t.tags::text[], t.meta,
  case when exists (select from jobs.fair_queue) then jobs.fair_of(t.queue, t.args) end
from unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::json[], $6::float8[], $7::float4[], $8::uuid[],
  $9::text[], $10::text[], $11::text[], $12::jsonb[])
  as t (id, type, queue, priority, args, expires, timeout, batch, origin, trace, tags, meta)
