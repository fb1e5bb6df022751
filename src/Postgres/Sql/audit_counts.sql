-- What had to be mended: tickets of the last hour, poison of the last day, and outcomes that came too late, of processes that had any within a day.
select 'tickets-resent', coalesce(sum(t.n), 0)::bigint, min(t.at), null::text from jobs.tally t where t.what = 'ticketsResent' and t.at > now() - interval '1 hour'
union all
select 'poison', coalesce(sum(t.n), 0)::bigint, min(t.at), null from jobs.tally t where t.what = 'poison' and t.at > now() - interval '1 day'
union all
select 'outcomes-refused', coalesce(sum(r.refused), 0)::bigint, min(r.refused_at), 'on ' || string_agg(distinct r.host, ', ')
from (
  select s.host, s.refused, s.refused_at from jobs.session s where s.refused_at > now() - interval '1 day'
  union all
  select p.host, p.refused, p.refused_at from jobs.past_session p where p.ended_at > now() - interval '1 day' and p.refused_at > now() - interval '1 day'
) r
