-- Jobs that are due for a minute and not queued; 1,000 are counted.
select 'due-stuck', count(*), min(d.due_at), null::text
from (select j.due_at from jobs.job j where j.state in ('pending', 'scheduled') and j.due_at < now() - interval '1 minute' order by j.due_at limit 1000) d
