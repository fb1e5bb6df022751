-- Batches that are not complete, $1 of them above $2: one look after another sees them all, however many there are.
select b.id from jobs.batch b where b.completed_at is null and b.id > $2 order by b.id limit $1
