-- Partitions of history that ends within a week will need, and that are not there: retention makes them two weeks ahead.
with wanted as (
  select 'history_succeeded' as parent, date_trunc('day', now(), 'UTC') + n * interval '1 day' as start from generate_series(0, 7) n
  union all
  select 'history_other', date_trunc('week', now(), 'UTC') + n * interval '7 days' from generate_series(0, 1) n
)
select 'partitions-missing', count(*), min(w.start), string_agg(w.parent || to_char(w.start at time zone 'UTC', '_pYYYYMMDD'), ', ' order by w.start)
from wanted w
where not exists (
  select from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = split_part('jobs.job', '.', 1)
  join pg_catalog.pg_inherits i on i.inhrelid = c.oid
  where c.relname = w.parent || to_char(w.start at time zone 'UTC', '_pYYYYMMDD'))
