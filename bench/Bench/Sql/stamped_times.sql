-- Milliseconds from the beginning of each of the first $2 transactions that were begun after $1 to its last change, by the database's stamps.
select extract(epoch from t.ended_at - t.created_at)::float8 * 1000 from jobs.transaction t where t.created_at > $1 and t.ended_at is not null order by t.created_at limit $2
