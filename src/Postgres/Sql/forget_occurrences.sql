-- Up to $2 rows of the ledger that are older than $1 days.
with old as materialized (
  select o.schedule, o.at from jobs.occurrence o where o.recorded_at < now() - $1 * interval '1 day' order by o.recorded_at limit $2
)
delete from jobs.occurrence o using old where o.schedule = old.schedule and o.at = old.at
