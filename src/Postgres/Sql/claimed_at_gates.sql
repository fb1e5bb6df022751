-- After a claim at gates whose outcome is unknown: which jobs that had waited there run under this session, once it has been committed or not (0020_vacancies.sql).
select id, attempt, failures, priority, type, enqueued_at, args, timeout, batch, after, trace, meta, limited, wait from jobs.claimed_at_gates($1, $2)
