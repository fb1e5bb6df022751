-- Batches that a look may change: sealed and not complete, or with a callback for a failure that was not seen yet. $1 of them above $2: one look after another sees them all.
select b.id from jobs.batch b
where b.completed_at is null and b.id > $2 and (b.sealed_at is not null or (b.on_failure is not null and b.failed_at is null))
order by b.id limit $1
