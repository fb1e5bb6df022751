-- They were sent to the coordinators. Sent twice they do no harm: each is for one round of one branch.
update jobs.transaction_order set told_at = clock_timestamp() where id = any ($1) and (told_at is null or told_at < now() - interval '1 minute')
