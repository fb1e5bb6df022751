-- The shape of schema $1 as text, a line a row, the same on every version of Postgres that is supported.
with tables as materialized (
  select c.oid, c.relname, c.relkind, c.relispartition, c.relpartbound, c.reloptions
  from pg_class c
  where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p') and c.relname !~ '_p[0-9]{8}$'
), lines (part, name, step, place, line) as (
  select 1, t.typname::text, 0, 0,
    format('type %s is enum (%s)', t.typname, (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid))
  from pg_type t where t.typnamespace = $1::regnamespace and t.typtype = 'e'
  union all
  select 2, t.relname, 0, 0, concat('table ', t.relname,
    (select ' partition of ' || p.relname from pg_inherits i join pg_class p on p.oid = i.inhparent where i.inhrelid = t.oid),
    ' ' || pg_get_expr(t.relpartbound, t.oid), ' partition by ' || pg_get_partkeydef(t.oid),
    ' with (' || (select string_agg(o, ', ' order by o) from unnest(t.reloptions) o) || ')')
  from tables t
  union all
  select 2, t.relname, 1, a.attnum, concat('  ', a.attname, ' ', format_type(a.atttypid, a.atttypmod), case when a.attnotnull then ' not null' end,
    ' default ' || pg_get_expr(d.adbin, d.adrelid), ' compression ' || nullif(a.attcompression::text, ''))
  from tables t join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = t.oid and d.adnum = a.attnum
  union all
  select 2, t.relname, 2, row_number() over (partition by t.oid order by c.conname)::int, format('  constraint %s %s', c.conname, pg_get_constraintdef(c.oid))
  from tables t join pg_constraint c on c.conrelid = t.oid
  where c.contype <> 'n' -- "not null" is one from version 18 on, and stands with its column here
  union all
  select 2, t.relname, 3, row_number() over (partition by t.oid order by i.relname)::int, '  ' || pg_get_indexdef(i.oid)
  from tables t join pg_index x on x.indrelid = t.oid join pg_class i on i.oid = x.indexrelid
  where not exists (select from pg_constraint c where c.conindid = i.oid)
  union all
  select 3, p.proname, 0, 0, pg_get_functiondef(p.oid) from pg_proc p where p.pronamespace = $1::regnamespace
  union all
  select 4, c.relname, 0, 0, format('%s %s', case c.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'sequence' end, c.relname)
  from pg_class c where c.relnamespace = $1::regnamespace and c.relkind in ('v', 'm', 'S')
  union all
  select 5, t.tgname, 0, 0, replace(pg_get_triggerdef(t.oid), E'\n', ' ') from pg_trigger t join pg_class c on c.oid = t.tgrelid and c.relnamespace = $1::regnamespace where not t.tgisinternal
)
select replace(line, $1 || '.', 'jobs.') from lines order by part, name collate "C", step, place
