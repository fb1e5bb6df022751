-- The commands that retire what is too old, one a row, in order. Detaching concurrently does not lock out the engine; what a crash left half detached is finished.
with leaf as (
  select c.relname, p.relname as parent, i.inhdetachpending as pending, c.oid,
    to_date(right(c.relname, 8), 'YYYYMMDD') + case p.relname when 'history_other' then 7 else 1 end as ends,
    case p.relname when 'history_other' then $2 when 'log' then 7 else $1 end as days
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace and n.nspname = $3
  left join pg_inherits i on i.inhrelid = c.oid
  join pg_class p on p.relnamespace = n.oid and p.relname = left(c.relname, -10)
  where c.relkind = 'r' and c.relname ~ '^(history_(succeeded|other)|log)_p[0-9]{8}$'
), old as (
  select leaf.*, i.inhrelid is not null as attached from leaf left join pg_inherits i on i.inhrelid = leaf.oid
  where leaf.ends + make_interval(days => leaf.days) < now() at time zone 'UTC'
)
select command from (
  select relname, 1 as step, format('alter table %I.%I detach partition %I.%I %s', $3, parent, $3, relname, case when pending then 'finalize' else 'concurrently' end) as command
  from old where attached
  union all
  select relname, 2, format('drop table %I.%I', $3, relname) from old
) commands
order by relname, step
