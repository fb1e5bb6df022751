-- Occurrences in the ledger that another row covers too: none, because (schedule, at) is its key and each row is written under the schedule's lock. Those of the last hour, whole
-- seconds only: what was run by hand stands beside them. One descent of the key for each.
select 'occurrences-doubled', count(*), min(o.at), 'of ' || string_agg(distinct o.schedule, ', ')
from jobs.occurrence o
cross join lateral (
  select coalesce(b.until, b.at) as until from jobs.occurrence b
  where b.schedule = o.schedule and b.at < o.at and b.at = date_trunc('second', b.at) order by b.schedule desc, b.at desc limit 1
) before
where o.recorded_at > now() - interval '1 hour' and o.at = date_trunc('second', o.at) and before.until >= o.at
