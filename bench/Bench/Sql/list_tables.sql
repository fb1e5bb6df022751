-- Every table with rows of its own in the schema, ready for `vacuum analyze`.
select string_agg(c.oid::regclass::text, ', ') from pg_class c where c.relnamespace = 'bench_floor'::regnamespace and c.relkind = 'r'
