-- Their jobs were not enqueued after all, because their unique key was taken.
update jobs.occurrence o set job = null, reason = t.reason
from unnest($2::uuid[], $3::text[]) as t (job, reason)
where o.schedule = $1 and o.job = t.job
