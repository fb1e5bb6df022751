-- Transactions that have not ended, by state; how many of them are in doubt, and how long the first of those has been.
select t.state, count(*), count(b.since), extract(epoch from now() - min(b.since))::float8
from jobs.transaction t left join lateral (
  select min(b.voted_at) as since from jobs.transaction_branch b
  where b.transaction_id = t.id and b.state = 'prepared' and t.state = 'running' and t.mode = 'twoPhase' and not exists (select from jobs.transaction_decision d where d.transaction_id = t.id)) b on true
where t.ended_at is null group by t.state
