-- The transaction that has written so far; fails in one that has failed.
select pg_current_xact_id_if_assigned()::text
