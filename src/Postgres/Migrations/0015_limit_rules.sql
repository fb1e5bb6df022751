-- The meters of rates; then setting and removing the rules of limits.

-- How many tokens a job takes: what its arguments say at this path, if that is a positive number, else one. Never an error: it would stop the claims of the whole queue.
create function jobs.token_cost(args json, cost text[]) returns float8 language sql immutable parallel safe as $$
  select coalesce(case when args #>> cost ~ '^[0-9]{1,15}([.][0-9]{1,15})?([eE][+-]?[0-9]{1,2})?$' then nullif((args #>> cost)::float8, 0) end, 1)
$$;

-- Whether something of this cost may pass a meter at time t, and what the meter shows afterwards. `permit` is when: t, or the first time after it.
--   token, leaky: the bucket drains at amount / period; what passes raises its level. Something passes when there is room for it (token), or when the bucket is empty (leaky: even spacing).
--     Both are the Generic Cell Rate Algorithm (ITU-T I.371), written as a level. In any time w at most w * amount / period + burst (leaky: the cost of one) pass.
--   fixed: at most `amount` in each period, counted from 1970-01-01 UTC; in any time w at most amount * (floor(w / period) + 2).
--   sliding: at most `amount` in any time as long as the period. Counted in hundredths of the period, so up to 1 % less than that passes.
-- A cost above what could ever pass counts as that.
create function jobs.permit(algorithm text, amount float8, period float8, burst float8, inout level float8, inout at timestamptz, inout segments float4[], t timestamptz, cost float8, out permit timestamptz)
language plpgsql immutable as $$
declare
  v_rate  float8 := amount / period;
  v_cost  float8 := least(cost, case when algorithm = 'token' then burst when algorithm = 'leaky' then cost else amount end);
  v_now   timestamptz := greatest(t, at);
  v_micro bigint;
  v_start timestamptz;
  v_steps integer;
  v_sum   float8;
begin
  if algorithm in ('token', 'leaky') then
    level := greatest(0, level - v_rate * extract(epoch from v_now - coalesce(at, v_now)));
    permit := v_now + ceil(greatest(0, level - case when algorithm = 'token' then burst - v_cost else 0 end) / v_rate * 1e6 - 1e-3) * interval '1 microsecond';
    level := level + v_cost;
    at := v_now;
  elsif algorithm = 'fixed' then
    v_micro := (period * 1e6)::bigint;
    v_start := 'epoch'::timestamptz + floor(extract(epoch from v_now) * 1000000 / v_micro) * v_micro * interval '1 microsecond';
    if at is null or at < v_start then
      level := 0;
      at := v_start;
    end if;
    if level + v_cost > amount then
      level := 0;
      at := at + v_micro * interval '1 microsecond';
    end if;
    level := level + v_cost;
    permit := greatest(t, at);
  else
    v_micro := greatest(1, ceil(period * 1e4)::bigint); -- a hundredth
    v_start := 'epoch'::timestamptz + floor(extract(epoch from v_now) * 1000000 / v_micro) * v_micro * interval '1 microsecond';
    v_steps := case when at is null then 101 else least(101, (extract(epoch from v_start - at) * 1000000 / v_micro)::bigint) end;
    if v_steps > 0 then
      segments := array_fill(0::float4, array[v_steps]) || segments[1:101 - v_steps];
      at := v_start;
    end if;
    v_sum := (select sum(s) from unnest(segments) s);
    v_steps := 0;
    while v_sum + v_cost > amount + 1e-6 loop
      v_sum := v_sum - segments[101 - v_steps];
      v_steps := v_steps + 1;
    end loop;
    if v_steps > 0 then
      segments := array_fill(0::float4, array[v_steps]) || segments[1:101 - v_steps];
      at := at + v_steps * v_micro * interval '1 microsecond';
    end if;
    segments[1] := segments[1] + v_cost;
    permit := greatest(t, at);
  end if;
end $$;

-- A rule, new or with other numbers. Claims share a lock that this takes alone: so all that runs is counted, and no claim misses a rule. Nothing is claimed meanwhile; what already runs is counted.
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

  insert into jobs.gate (id, rule)
  select s.gate, p_name from jobs.job j cross join unnest(j.slots) as s (gate) where j.state = 'running' and split_part(s.gate, ':', 1) = p_name group by s.gate order by s.gate
  on conflict (id) do nothing;
  perform from jobs.gate g where g.rule = p_name order by g.id for update;
  insert into jobs.gate_exit (id, waiting) select g.id, g.waiting from jobs.gate g where g.rule = p_name order by g.id on conflict (id) do nothing;
  perform from jobs.gate_exit x where x.id in (select g.id from jobs.gate g where g.rule = p_name) order by x.id for update;
  update jobs.gate_exit x set waiting = g.waiting from jobs.gate g where g.rule = p_name and x.id = g.id and x.waiting <> g.waiting;
  -- Whoever ends now has to wait to give a slot back, and is counted yet.
  update jobs.gate g set taken = coalesce(n.n, 0), seen = x.freed
  from jobs.gate_exit x left join (select s.gate, count(*) as n from jobs.job j cross join unnest(j.slots) as s (gate) where j.state = 'running' and split_part(s.gate, ':', 1) = p_name group by s.gate) n on n.gate = x.id
  where g.rule = p_name and x.id = g.id;
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
  update jobs.gate g set slots = null, amount = null where g.rule = p_name;
  perform jobs.signal('gates');
  return true;
end $$;

-- Up to p_most gates about which there is nothing to remember: nobody runs or waits there, nobody has set it, and its meter shows what a new one would. No claim is under way meanwhile: one with an
-- older snapshot would take what had been given back at the gate before for the new one's.
create function jobs.forget_gates(p_most integer) returns integer language plpgsql as $$
declare
  v_gates text[];
begin
  if not exists (select from jobs.idle_gate) then
    return 0;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('jobs.limits', 0));
  select array_agg(x.id) into v_gates from (select g.id from jobs.gate g where g.id in (select i.id from jobs.idle_gate i order by i.id limit p_most) order by g.id for update skip locked) x;
  delete from jobs.gate g where g.id = any(v_gates);
  delete from jobs.gate_exit x where x.id = any(v_gates);
  delete from jobs.fair_turn t where t.line = any(v_gates);
  return coalesce(cardinality(v_gates), 0);
end $$;

create view jobs.idle_gate as
select g.id from jobs.gate g left join jobs.limit_rule r on r.name = g.rule
where jobs.held(g) = 0 and not g.waiting and g.slots is null and g.amount is null and coalesce(g.paused_until < now(), true)
  and (r.algorithm is null or g.at is null or g.at + (2 * r.period + g.level * r.period / r.amount + 60) * interval '1 second' < now());
