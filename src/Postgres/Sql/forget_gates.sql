-- Up to $1 gates about which there is nothing to remember: nobody runs or waits there, nobody has set it, and its meter shows what a new one would.
with gone as (
  delete from jobs.gate g using (
  select g.id from jobs.gate g left join jobs.limit_rule r on r.name = g.rule
  where g.held = 0 and not g.waiting and g.slots is null and g.amount is null and coalesce(g.paused_until < now(), true)
    and (r.algorithm is null or g.at is null or g.at + (2 * r.period + g.level * r.period / r.amount + 60) * interval '1 second' < now())
  order by g.id limit $1 for update of g skip locked) old
  where g.id = old.id
  returning g.id
), turns as (
  delete from jobs.fair_turn t using gone where t.line = gone.id
)
select count(*)::integer from gone
