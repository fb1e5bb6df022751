-- The latest word of attempts about their progress. Guard: an attempt's number is not below that of the word which is there.
insert into jobs.progress (job, attempt, done, total, note)
select distinct on (t.job) t.job, t.attempt, t.done, t.total, t.note
from unnest($1::uuid[], $2::integer[], $3::bigint[], $4::bigint[], $5::text[]) with ordinality as t (job, attempt, done, total, note, n)
order by t.job, t.attempt desc, t.n desc
on conflict (job) do update set attempt = excluded.attempt, done = excluded.done, total = excluded.total, note = excluded.note, at = excluded.at
where progress.attempt <= excluded.attempt
