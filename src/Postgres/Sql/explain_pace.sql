-- How many jobs of queue $1 ended in the last $2 seconds that are summed: windows are 8 s old here, as for read_throughput.sql.
select coalesce(sum(t.n), 0)::bigint
from jobs.throughput t, (select date_bin('10 seconds', clock_timestamp() - interval '8 seconds', timestamptz 'epoch') as over) o
where t.at >= o.over - $2 * interval '1 second' and t.at < o.over and t.queue = $1
