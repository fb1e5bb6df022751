-- Fails, so that nothing that is sent behind it is done, unless what has been written so far was written by transaction $1: with 22012 (a division by zero) in another or in none, with 25P02 in one that has failed.
select 1 / (pg_current_xact_id_if_assigned()::text is not distinct from $1)::integer
