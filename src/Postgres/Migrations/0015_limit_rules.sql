-- Setting and removing the rules of limits. Claims share a lock that this takes alone: so all that runs is counted, and no claim misses a rule.

-- A rule, new or with other numbers. Nothing is claimed meanwhile; what already runs is counted.
create function jobs.set_limit(p_name text, p_queue text, p_type text, p_key text[], p_slots integer, p_algorithm text, p_amount float8, p_period float8, p_burst float8, p_cost text[],
  p_origin text, p_by text, p_reason text) returns void language plpgsql as $$
declare
  v_old jobs.limit_rule;
begin
  perform pg_advisory_xact_lock(hashtextextended('jobs.limits', 0));
  select * into v_old from jobs.limit_rule r where r.name = p_name;
  insert into jobs.limit_rule (name, queue, type, key, slots, counts, algorithm, amount, period, burst, cost, origin, by, reason)
  values (p_name, p_queue, p_type, p_key, p_slots, p_slots is not null or exists (select from jobs.gate g where g.rule = p_name and g.slots is not null),
    p_algorithm, p_amount, p_period, p_burst, p_cost, p_origin, p_by, p_reason)
  on conflict (name) do update set queue = excluded.queue, type = excluded.type, key = excluded.key, slots = excluded.slots, counts = excluded.counts, algorithm = excluded.algorithm,
    amount = excluded.amount, period = excluded.period, burst = excluded.burst, cost = excluded.cost, origin = excluded.origin, set_at = now(), by = excluded.by, reason = excluded.reason;
  if (v_old.queue, v_old.type, v_old.key, v_old.counts) is distinct from (select (r.queue, r.type, r.key, r.counts) from jobs.limit_rule r where r.name = p_name) then
    perform jobs.count_limit(p_name);
  end if;
  if v_old.algorithm is distinct from p_algorithm then
    update jobs.gate g set level = 0, at = null, segments = null where g.rule = p_name;
  end if;
  perform jobs.signal('gates');
end $$;

-- The running jobs that a rule counts are named and counted anew. Only under the lock of set_limit: a rule has changed whom it concerns.
create function jobs.count_limit(p_name text) returns void language plpgsql as $$
begin
  -- Jobs first, in the order of their ids, then gates: as all that lock both do.
  with now_named as materialized (
    select j.id, (select array_agg(s order by s) from (
        select s from unnest(j.slots) s where split_part(s, ':', 1) <> p_name
        union all
        select r.name || ':' || jobs.gate_key(j.args, r.key) from jobs.limit_rule r
        where r.name = p_name and r.counts and (r.queue is null or r.queue = j.queue) and (r.type is null or r.type = j.type) and jobs.gate_key(j.args, r.key) is not null) x (s)) as slots
    from jobs.job j where j.state = 'running' order by j.id
  )
  update jobs.job j set slots = n.slots from now_named n where j.id = n.id and j.state = 'running' and j.slots is distinct from n.slots;

  perform from jobs.gate g where g.rule = p_name order by g.id for update;
  insert into jobs.gate (id, rule, held)
  select n.gate, p_name, sum(n.n) from (
    select s.gate collate "C" as gate, count(*) as n from jobs.job j cross join unnest(j.slots) as s (gate) where j.state = 'running' and split_part(s.gate, ':', 1) = p_name group by 1
    union all
    select h.gate, sum(h.n) from jobs.hold h where split_part(h.gate, ':', 1) = p_name group by 1) n
  group by n.gate order by n.gate
  on conflict (id) do update set held = excluded.held;
  update jobs.gate g set held = 0
  where g.rule = p_name and g.held > 0 and not exists (select from jobs.job j where j.state = 'running' and g.id = any(j.slots))
    and not exists (select from jobs.hold h where h.gate = g.id); -- what apps hold counts until they give it back, whatever becomes of the rule
end $$;

-- False: there is no such rule. Those that wait at its gates are let through by whoever looks after them next.
create function jobs.remove_limit(p_name text) returns boolean language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('jobs.limits', 0));
  delete from jobs.limit_rule r where r.name = p_name;
  if not found then
    return false;
  end if;
  perform jobs.count_limit(p_name); -- which locks jobs; gates come after them
  update jobs.gate g set slots = null, amount = null, paused_until = null, paused_by = null where g.rule = p_name;
  perform jobs.signal('gates');
  return true;
end $$;
