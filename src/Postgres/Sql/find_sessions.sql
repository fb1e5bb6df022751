-- Who these sessions ($1) are, or were.
select s.id, s.host, s.process_id from jobs.session s where s.id = any($1::uuid[])
union all
select p.id, p.host, p.process_id from jobs.past_session p where p.id = any($1::uuid[])
