-- Counts that nobody asks for any more.
delete from jobs.tally where at < now() - $1 * interval '1 day'
