-- Returns what was not in the ledger yet: only that is enqueued.
insert into jobs.occurrence (schedule, at, until, count, job, reason)
select $1, t.at, t.until, t.count, t.job, t.reason
from unnest($2::timestamptz[], $3::timestamptz[], $4::integer[], $5::uuid[], $6::text[]) as t (at, until, count, job, reason)
on conflict do nothing
returning at
