-- Second half of a repeated enqueue, in the transaction of the first: of the rows that it has just inserted ($1), those that had already run to their end
-- must not run again. The first half holds the unique keys, so by now each original is in history, visible to this statement's own snapshot, or never was.
delete from jobs.job j
where j.id = any($1::uuid[]) and exists (select from jobs.history h where h.id = j.id and h.ended_at >= $2)
returning j.id
