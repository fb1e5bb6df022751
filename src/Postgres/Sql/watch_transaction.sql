-- Whether it still needs watching, the seconds to its deadline, whether an operator's order has not been told, and its mode.
select t.state, extract(epoch from t.deadline_at - clock_timestamp())::float8,
  exists (select from jobs.transaction_order o where o.transaction_id = t.id and o.told_at is null), t.mode
from jobs.transaction t where t.id = $1
