-- Which of these batches exist and may still be added to; they cannot be sealed before the caller's commit.
select b.id from jobs.batch b where b.id = any($1::uuid[]) and b.sealed_at is null order by b.id for share
