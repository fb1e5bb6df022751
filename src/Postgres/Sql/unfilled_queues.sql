-- Fair queues in which what waited when that was set may have no value yet. Not those just set: whoever set it is at it, and a statement that had begun before may still write jobs without one.
select f.name, f.set_at from jobs.fair_queue f where not f.filled and f.set_at < now() - interval '10 seconds' order by f.name
