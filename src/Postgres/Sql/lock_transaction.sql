-- The state of a transaction, held until the commit: whoever else has a message about it waits.
select t.*, clock_timestamp() as locked_at from jobs.transaction t where t.id = $1 for update
