-- Whether it still needs watching, the seconds to its deadline, whether an operator's order is to be told (orders_to_tell.sql), and its mode.
select t.state, extract(epoch from t.deadline_at - clock_timestamp())::float8,
  exists (select from jobs.transaction_order o where o.transaction_id = t.id and (o.told_at is null or o.told_at < now() - interval '1 minute'
    and exists (select from jobs.transaction_branch b where b.transaction_id = o.transaction_id and b.number = o.branch and b.state = 'parked' and b.round = o.round))), t.mode
from jobs.transaction t where t.id = $1
