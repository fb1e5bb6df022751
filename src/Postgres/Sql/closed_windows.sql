-- From where to where windows of 10 s are over and not summed yet: on from $1, where the caller stopped, and from what another leader has put into the table; at most the last 15 minutes, a minute at a time, and seconds
-- until the next window can be summed. A window is left alone for 5 s, because an end carries the time at which its transaction began and is seen when that commits.
select b.since, greatest(b.since, least(b.over, b.since + interval '1 minute')), extract(epoch from b.over + interval '15 seconds' - clock_timestamp())::float8
from (
  select greatest($1::timestamptz, (select t.at + interval '10 seconds' from jobs.throughput t order by t.at desc limit 1), o.over - interval '15 minutes') as since, o.over
  from (select date_bin('10 seconds', clock_timestamp() - interval '5 seconds', timestamptz 'epoch') as over) o
) b
