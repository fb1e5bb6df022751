-- Presumed abort: undecided at its deadline, by the database clock.
insert into jobs.transaction_decision (transaction_id, decision, reason)
select t.id, 'abort', 'It was not decided by its deadline.' from jobs.transaction t where t.id = $1 and t.state = 'running' and t.deadline_at <= clock_timestamp()
on conflict do nothing
