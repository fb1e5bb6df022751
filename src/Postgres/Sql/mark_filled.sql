-- Guard: it has not been set anew since the filling began ($2 seconds ago).
update jobs.fair_queue set passed = true, filled = true where name = $1 and set_at < now() - $2 * interval '1 second'
