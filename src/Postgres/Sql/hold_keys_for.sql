-- The job that was to have the key was not written, because another has its unique key: that one it is, then.
update jobs.held_key k set job = t.job
from unnest($1::text[], $2::uuid[]) as t (key, job)
where k.key = t.key
