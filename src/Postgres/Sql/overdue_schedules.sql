-- Schedules whose next occurrence is more than $1 seconds ago, and those of which it is not known: whoever should have recorded it did not.
select s.name from jobs.schedule s where s.next_at < now() - $1 * interval '1 second' order by s.next_at limit $2
