-- Once through the jobs that wait in the queue $1. Guard: its key has not been set to another than $2 meanwhile.
update jobs.fair_queue set passed = true where name = $1 and key = $2
