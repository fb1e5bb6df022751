-- Whether it still needs watching, and the seconds to its deadline.
select t.state, extract(epoch from t.deadline_at - clock_timestamp())::float8 from jobs.transaction t where t.id = $1
