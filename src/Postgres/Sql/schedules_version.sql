-- Changes when any schedule is added, changed, paused, resumed or removed. A sum, because a slow transaction may commit an older time than the newest.
select count(*), coalesce(sum(extract(epoch from s.changed_at)), 0)::numeric from jobs.schedule s
