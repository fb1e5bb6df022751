-- $1 rows of history that end between midnight (UTC) and now, in order: the partition that today's jobs go into too.
insert into jobs.history_succeeded (id, enqueued_at, started_at, ended_at, session, state, attempt, failures, crashes, priority, queue, type, args)
select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid,
  at, at, at, '00000000-0000-7000-8000-000000000000', 'succeeded', 1, 0, 0, 16, 'bench', 'bench.noop', '{"text":"a fairly short text, like an address or a name..."}'
from (
  select date_trunc('day', now(), 'UTC') + (now() - date_trunc('day', now(), 'UTC')) * (($2::bigint + n) / $3::float8) as at
  from generate_series(1, $1::integer) n
) moments
