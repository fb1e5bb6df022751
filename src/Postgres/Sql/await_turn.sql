-- Returns when no coordinator is at work on the transaction; what it changed is seen by the next statement.
select from jobs.transaction t where t.id = $1 for share
