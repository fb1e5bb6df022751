-- What the audit has found. Guard: the leader's epoch, so that one which was paused does not write what it saw long ago.
insert into jobs.finding (name, value, oldest, detail, at)
select t.name, t.value, t.oldest, t.detail, now()
from unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::text[]) as t (name, value, oldest, detail)
where exists (select from jobs.leader where name = 'scheduler' and epoch = $5 and session = $6)
order by t.name
on conflict (name) do update set value = excluded.value, oldest = excluded.oldest, detail = excluded.detail, at = excluded.at
