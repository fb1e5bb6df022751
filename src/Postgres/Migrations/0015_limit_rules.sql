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
  values (p_name, p_queue, p_type, p_key, p_slots, p_slots is not null or (p_key is not distinct from v_old.key and exists (select from jobs.gate g where g.rule = p_name and g.slots is not null)),
    p_algorithm, p_amount, p_period, p_burst, p_cost, p_origin, p_by, p_reason)
  on conflict (name) do update set queue = excluded.queue, type = excluded.type, key = excluded.key, slots = excluded.slots, counts = excluded.counts, algorithm = excluded.algorithm,
    amount = excluded.amount, period = excluded.period, burst = excluded.burst, cost = excluded.cost, origin = excluded.origin, set_at = now(), by = excluded.by, reason = excluded.reason;
  if (v_old.queue, v_old.type, v_old.key, v_old.counts) is distinct from (select (r.queue, r.type, r.key, r.counts) from jobs.limit_rule r where r.name = p_name) then
    perform jobs.count_limit(p_name);
  end if;
  if v_old.key is distinct from p_key then
    update jobs.gate g set slots = null, amount = null where g.rule = p_name and (g.slots is not null or g.amount is not null); -- they were for values of another key
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
  select s.gate, p_name, count(*) from jobs.job j cross join unnest(j.slots) as s (gate) where j.state = 'running' and split_part(s.gate, ':', 1) = p_name group by s.gate order by s.gate
  on conflict (id) do update set held = excluded.held;
  update jobs.gate g set held = 0
  where g.rule = p_name and g.held > 0 and not exists (select from jobs.job j where j.state = 'running' and g.id = any(j.slots));
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

-- Numbers for one value of the key of a rule, in place of the rule's; null: the rule's. Says 'set', 'none' (there were none to clear), or why not.
create function jobs.set_limit_key(p_name text, p_value text, p_slots integer, p_amount float8) returns text language plpgsql as $$
declare
  v_rule   jobs.limit_rule;
  v_gate   text := p_name || ':' || jobs.gate_key(to_json(p_value), '{}');
  v_counts boolean;
begin
  perform pg_advisory_xact_lock(hashtextextended('jobs.limits', 0));
  select * into v_rule from jobs.limit_rule r where r.name = p_name;
  if not found then
    return 'unknown';
  elsif v_rule.key is null then
    return 'keyless';
  elsif p_amount is not null and v_rule.algorithm is null then
    return 'rateless';
  elsif p_amount / v_rule.period > 1000000 then
    return 'fast';
  elsif p_slots is null and p_amount is null and not exists (select from jobs.gate g where g.id = v_gate and (g.slots is not null or g.amount is not null)) then
    return 'none';
  end if;
  -- Jobs are locked before gates.
  v_counts := v_rule.slots is not null or p_slots is not null or exists (select from jobs.gate g where g.rule = p_name and g.slots is not null and g.id <> v_gate);
  if v_counts <> v_rule.counts then
    update jobs.limit_rule r set counts = v_counts where r.name = p_name;
    perform jobs.count_limit(p_name);
  end if;
  insert into jobs.gate (id, rule, slots, amount) values (v_gate, p_name, p_slots, p_amount)
  on conflict (id) do update set slots = excluded.slots, amount = excluded.amount;
  perform jobs.signal('gates');
  return 'set';
end $$;

-- A rule that a process declares when it starts: written if it is new or other than it was, unless an operator has set it. Says 'set', 'same' or 'operator'. Without a change no lock is taken.
create function jobs.declare_limit(p_name text, p_queue text, p_type text, p_key text[], p_slots integer, p_algorithm text, p_amount float8, p_period float8, p_burst float8, p_cost text[],
  p_origin text, p_by text) returns text language plpgsql as $$
declare
  v_old    jobs.limit_rule;
  v_locked boolean := false;
begin
  loop
    select * into v_old from jobs.limit_rule r where r.name = p_name;
    if v_old.origin = 'operator' then
      return 'operator';
    elsif (v_old.name, v_old.queue, v_old.type, v_old.key, v_old.slots, v_old.algorithm, v_old.amount, v_old.period, v_old.burst, v_old.cost)
        is not distinct from (p_name, p_queue, p_type, p_key, p_slots, p_algorithm, p_amount, p_period, p_burst, p_cost) then
      return 'same';
    elsif v_locked then
      perform jobs.set_limit(p_name, p_queue, p_type, p_key, p_slots, p_algorithm, p_amount, p_period, p_burst, p_cost, p_origin, p_by, null);
      return 'set';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('jobs.limits', 0)); -- and look again
    v_locked := true;
  end loop;
end $$;

-- Ends the pause of the gates of a rule, or of the one for this value of its key. Returns how many there were.
create function jobs.resume_gates(p_name text, p_value text) returns integer language plpgsql as $$
declare
  v_resumed integer;
begin
  with paused as materialized (
    select g.id from jobs.gate g
    where g.rule = p_name and g.paused_until > now() and (p_value is null or g.id = p_name || ':' || jobs.gate_key(to_json(p_value), '{}'))
    order by g.id for update
  )
  update jobs.gate g set paused_until = null, paused_by = null from paused p where g.id = p.id and g.paused_until > now();
  get diagnostics v_resumed = row_count;
  if v_resumed > 0 then
    perform jobs.signal('gates');
  end if;
  return v_resumed;
end $$;

-- What a meter shows at time t: how many tokens there are, and when something that takes one may pass, if that is later.
create function jobs.read_meter(algorithm text, amount float8, period float8, burst float8, level float8, at timestamptz, segments float4[], t timestamptz, out tokens float8, out next_at timestamptz)
language plpgsql stable as $$
declare
  v_micro bigint;
  v_start timestamptz;
  v_steps bigint;
begin
  select case when p.permit > t then p.permit end into next_at from jobs.permit(algorithm, amount, period, burst, level, at, segments, t, 1) p;
  if algorithm = 'token' then
    tokens := burst - greatest(0, level - amount / period * extract(epoch from t - coalesce(at, t))::float8);
  elsif algorithm = 'leaky' then
    tokens := (next_at is null)::integer;
  else
    v_micro := case algorithm when 'fixed' then (period * 1e6)::bigint else greatest(1, ceil(period * 1e4)::bigint) end;
    v_start := 'epoch'::timestamptz + floor(extract(epoch from t) * 1000000 / v_micro) * v_micro * interval '1 microsecond';
    v_steps := least(101, greatest(0, coalesce(extract(epoch from v_start - at) * 1000000 / v_micro, 101)))::bigint;
    tokens := amount - case when algorithm = 'fixed' then case when v_steps = 0 then level else 0 end else coalesce((select sum(s) from unnest(segments[1:101 - v_steps]) s), 0) end;
  end if;
  tokens := greatest(0, tokens);
end $$;
