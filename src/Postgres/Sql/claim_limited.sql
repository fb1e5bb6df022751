-- X2 in queues where limits may apply, see 0014_limits.sql.
select said, id, attempt, failures, priority, type, enqueued_at, args, timeout, batch, after, trace, meta, limited, wait from jobs.claim_limited($1, $2, $3, $4, $5, $6)
