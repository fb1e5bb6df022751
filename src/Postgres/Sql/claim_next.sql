-- Who is next at the gates $2, see 0020_vacancies.sql.
select said, id, attempt, failures, priority, type, enqueued_at, args, timeout, batch, after, trace, meta, limited, wait, line from jobs.claim_next($1, $2, $3, $4, $5, $6)
