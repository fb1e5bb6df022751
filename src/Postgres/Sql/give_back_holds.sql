-- Slots that an app has held are given back, each once. Answers the gates at which jobs wait for them.
with gone as (
  delete from jobs.hold where id = any($1::uuid[]) returning gate, n
), freed as (
  update jobs.gate g set held = g.held - f.n
  from (select gate, sum(n)::integer as n from gone group by 1 order by 1) f
  where g.id = f.gate
  returning case when g.waiting then g.id end as gate
)
select coalesce(array_agg(gate) filter (where gate is not null), '{}') from freed
