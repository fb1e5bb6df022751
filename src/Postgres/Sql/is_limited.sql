-- Whether a limit may apply to jobs of the queue $1 of the types $2.
select jobs.is_limited($1, $2)
