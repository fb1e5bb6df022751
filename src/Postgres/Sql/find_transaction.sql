select t.name, t.mode, t.state, t.created_at, t.deadline_at, t.decided_at, t.ended_at, t.reason, d.decision,
  b.number, b.stage, b.kind, b.state, b.reason, b.job, b.asked_at, b.voted_at, b.ended_at, b.args::text, b.round
from jobs.transaction t join jobs.transaction_branch b on b.transaction_id = t.id left join jobs.transaction_decision d on d.transaction_id = t.id
where t.id = $1 order by b.number
