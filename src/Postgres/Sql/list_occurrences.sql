select o.at, coalesce(o.until, o.at), o.count, o.job, o.reason, o.recorded_at
from jobs.occurrence o where o.schedule = $1 and ($3::timestamptz is null or o.at < $3) order by o.at desc limit $2
