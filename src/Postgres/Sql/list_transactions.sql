-- Transactions, newest first by id, below $2. Filters that are null let all pass; $8: only those that have not ended, which an index finds.
select t.id, t.name, t.mode, t.state, t.created_at, t.deadline_at, t.decided_at, t.ended_at, t.reason, d.decision, b.total, b.asked, b.parked, b.prepared_at, now()
from jobs.transaction t
left join jobs.transaction_decision d on d.transaction_id = t.id
cross join lateral (
  select count(*)::integer as total, (count(*) filter (where b.state in ('preparing', 'committing', 'aborting')))::integer as asked,
    coalesce(array_agg(b.number order by b.number) filter (where b.state = 'parked'), '{}') as parked,
    min(b.voted_at) filter (where b.state = 'prepared' and t.state = 'running' and t.mode = 'twoPhase' and d.decision is null) as prepared_at
  from jobs.transaction_branch b where b.transaction_id = t.id) b
where ($2::uuid is null or t.id < $2) and ($3::text is null or t.state = $3) and ($4::text is null or t.name = $4) and ($5::text is null or t.mode = $5)
  and ($6::float8 is null or t.created_at <= now() - $6 * interval '1 second') and ($7::float8 is null or b.prepared_at <= now() - $7 * interval '1 second')
  and (not $8::boolean or t.ended_at is null)
  and ($9::text is null or exists (select from jobs.transaction_branch k where k.transaction_id = t.id and k.kind = $9))
order by t.id desc limit $1
