-- Has the jobs of the queue $1 be started in turn of what their arguments say at the path $2 (null: no more); see 0018_fairness.sql. Returns fair_queue.set_at.
select jobs.set_fairness($1, $2)
