-- What a branch's job has to know.
select b.round, b.args, b.max_attempts, b.park_after, t.mode, b.job from jobs.transaction_branch b join jobs.transaction t on t.id = b.transaction_id
where b.transaction_id = $1 and b.number = $2
