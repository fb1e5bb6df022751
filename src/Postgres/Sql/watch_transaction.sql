-- Whether it still needs watching, the seconds to its deadline, and its mode.
select t.state, extract(epoch from t.deadline_at - clock_timestamp())::float8, t.mode from jobs.transaction t where t.id = $1
