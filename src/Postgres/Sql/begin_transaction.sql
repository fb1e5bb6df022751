-- A new transaction with its branches, all of it or, where there is one with this id, nothing. Those of the first stage are asked already.
with begun as (
  insert into jobs.transaction (id, name, mode, state, priority, deadline_at, trace, watch) values ($1, $2, $3, 'running', $4, now() + $5 * interval '1 second', $14, $15)
  on conflict do nothing returning id
)
insert into jobs.transaction_branch (transaction_id, number, stage, kind, queue, args, compensated, max_attempts, park_after, job, state, round, verb, asked_at)
select begun.id, b.number, b.stage, b.kind, b.queue, b.args, b.compensated, b.max_attempts, b.park_after, b.job,
  case when b.job is null then 'waiting' else 'preparing' end, case when b.job is null then 0 else 1 end,
  case when b.job is not null then 'prepare' end, case when b.job is not null then now() end
from begun cross join unnest($6::integer[], $7::text[], $8::text[], $9::json[], $10::boolean[], $11::integer[], $12::integer[], $13::uuid[])
  with ordinality as b (stage, kind, queue, args, compensated, max_attempts, park_after, job, number)
