-- Transactions that hold others up: prepared branches that wait over a minute for a decision; parked ones; undecided ones over a minute past their deadline, which no watch has aborted; decisions that no
-- coordinator has heard of for a minute; and those that have not been carried out for an hour. Reads those that have not ended (an index), and their branches.
with live as materialized (
  select t.id, t.state, t.mode, t.name, t.deadline_at, t.decided_at, d.decided_at as fixed_at
  from jobs.transaction t left join jobs.transaction_decision d on d.transaction_id = t.id where t.ended_at is null
), doubt as (
  select l.id, min(b.voted_at) as since from live l join jobs.transaction_branch b on b.transaction_id = l.id
  where l.state = 'running' and l.mode = 'twoPhase' and l.fixed_at is null and b.state = 'prepared' group by l.id having min(b.voted_at) < now() - interval '1 minute'
), parked as (
  select l.id, l.name, max(coalesce(b.voted_at, b.asked_at)) as since from live l join jobs.transaction_branch b on b.transaction_id = l.id and b.state = 'parked' where l.state = 'parked' group by l.id, l.name
), overdue as (
  select l.id, l.deadline_at from live l where l.state = 'running' and l.fixed_at is null and l.deadline_at < now() - interval '1 minute'
), untold as (
  select l.id, l.fixed_at from live l where l.decided_at is null and l.fixed_at < now() - interval '1 minute'
), unfinished as (
  select l.id, l.decided_at from live l where l.state in ('committing', 'aborting') and l.decided_at < now() - interval '1 hour'
)
select 'transactions-in-doubt', count(*), min(d.since), min(d.id::text) from doubt d
union all
select 'transactions-parked', count(*), min(p.since), string_agg(distinct p.name, ', ') from parked p
union all
select 'transactions-overdue', count(*), min(o.deadline_at), min(o.id::text) from overdue o
union all
select 'transactions-untold', count(*), min(u.fixed_at), min(u.id::text) from untold u
union all
select 'transactions-unfinished', count(*), min(u.decided_at), min(u.id::text) from unfinished u
