-- What waited when the queue $1 was set, and what was being enqueued just then, has been gone through. Guard: it has not been set anew since it was set at $2.
update jobs.fair_queue set passed = true, filled = true where name = $1 and set_at = $2
