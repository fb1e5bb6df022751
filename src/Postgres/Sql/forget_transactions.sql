-- Transactions that ended over $1 days ago, at most $2, with all that hangs on them.
with old as materialized (
  select t.id from jobs.transaction t where t.ended_at < now() - $1 * interval '1 day' order by t.ended_at limit $2
), fences as (
  delete from jobs.branch_fence f using old join jobs.transaction_branch b on b.transaction_id = old.id where f.key = old.id || '.' || b.number
)
delete from jobs.transaction t using old where t.id = old.id
