-- The branches of a transaction that is held; and of the job that asks each: whether it has not ended, and which attempt of it runs. A statement of its own, because that of the lock sees what was before it waited.
select b.number, b.stage, b.kind, b.queue, b.compensated, b.state, b.round, b.verb, b.job, b.after, b.answered, b.reason, b.asked_at, b.voted_at, b.ended_at,
  j.id is not null, case when j.state = 'running' then j.attempt end
from jobs.transaction_branch b left join jobs.job j on j.id = any(array[b.job])
where b.transaction_id = $1 order by b.number
