-- Ends by queue and kind in the last 1, 5 and 15 minutes that are summed: windows are 8 s old here, so that the leader has had 3 s for each.
with o as (select date_bin('10 seconds', clock_timestamp() - interval '8 seconds', timestamptz 'epoch') as over)
select t.queue, t.state::text,
  coalesce(sum(t.n) filter (where t.at >= o.over - interval '1 minute'), 0)::bigint,
  coalesce(sum(t.wait_seconds) filter (where t.at >= o.over - interval '1 minute'), 0), coalesce(sum(t.run_seconds) filter (where t.at >= o.over - interval '1 minute'), 0),
  coalesce(sum(t.n) filter (where t.at >= o.over - interval '5 minutes'), 0)::bigint,
  coalesce(sum(t.wait_seconds) filter (where t.at >= o.over - interval '5 minutes'), 0), coalesce(sum(t.run_seconds) filter (where t.at >= o.over - interval '5 minutes'), 0),
  sum(t.n)::bigint, sum(t.wait_seconds), sum(t.run_seconds)
from jobs.throughput t, o
where t.at >= o.over - interval '15 minutes' and t.at < o.over
group by t.queue, t.state
