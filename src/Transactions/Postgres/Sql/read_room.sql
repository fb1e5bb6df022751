-- How many transactions may be prepared at one time on this server, and how many are.
select current_setting('max_prepared_transactions')::integer, (select count(*)::integer from pg_catalog.pg_prepared_xacts)
