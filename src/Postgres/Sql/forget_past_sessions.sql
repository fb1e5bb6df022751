-- Up to $2 sessions that ended more than $1 days ago.
with old as materialized (
  select p.id from jobs.past_session p where p.ended_at < now() - $1 * interval '1 day' order by p.ended_at limit $2
)
delete from jobs.past_session p using old where p.id = old.id
