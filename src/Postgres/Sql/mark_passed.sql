-- Once through the jobs that wait in the queue $1. Guard: it has not been set anew since this one was set, at $2.
update jobs.fair_queue set passed = true where name = $1 and set_at = $2
