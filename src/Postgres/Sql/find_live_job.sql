-- Whether the run before has ended: its state while it has not.
select j.state::text from jobs.job j where j.id = $1
