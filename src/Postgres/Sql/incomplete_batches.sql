select b.id from jobs.batch b where b.completed_at is null order by b.id limit $1
