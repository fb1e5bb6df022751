-- Slots that an app has held are given back, each once. Answers the gates at which jobs wait for them.
with gone as (
  delete from jobs.hold where id = any($1::uuid[]) returning gate, n
), freed as (
  insert into jobs.gate_exit as x (id, freed) select g.gate, sum(g.n) from gone g group by 1 order by 1
  on conflict (id) do update set freed = x.freed + excluded.freed
  returning case when x.waiting then x.id end as gate
)
select coalesce(array_agg(gate) filter (where gate is not null), '{}') from freed
