-- The meters of rates, setting and removing the rules of limits, and who is let through after waiting.

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
  update jobs.job j set slots = n.slots from now_named n where j.id = any(array[n.id]) and j.state = 'running' and j.slots is distinct from n.slots;

  insert into jobs.gate (id, rule)
  select s.gate, p_name from jobs.job j cross join unnest(j.slots) as s (gate) where j.state = 'running' and split_part(s.gate, ':', 1) = p_name group by s.gate order by s.gate
  on conflict (id) do nothing;
  perform from jobs.gate g where g.rule = p_name order by g.id for update;
  insert into jobs.gate_exit (id, waiting) select g.id, g.waiting from jobs.gate g where g.rule = p_name order by g.id on conflict (id) do nothing;
  perform from jobs.gate_exit x where x.id in (select g.id from jobs.gate g where g.rule = p_name) order by x.id for update;
  update jobs.gate_exit x set waiting = g.waiting from jobs.gate g where g.rule = p_name and x.id = g.id and x.waiting <> g.waiting;
  -- Whoever ends now has to wait to give a slot back, and is counted yet.
  update jobs.gate g set taken = coalesce(n.n, 0), seen = x.freed
  from jobs.gate_exit x left join (
    select u.gate, sum(u.n) as n from (
      select s.gate, 1 as n from jobs.job j cross join unnest(j.slots) as s (gate) where j.state = 'running' and split_part(s.gate, ':', 1) = p_name
      union all
      select h.gate, h.n from jobs.hold h where split_part(h.gate, ':', 1) = p_name) u -- what apps hold counts until they give it back, whatever becomes of the rule
    group by u.gate) n on n.gate = x.id
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
  update jobs.gate g set slots = null, amount = null, paused_until = null, paused_by = null where g.rule = p_name;
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

-- Up to p_most jobs that are blocked on each of these gates, by priority and age, as many as there is room for, or will be in p_ahead seconds: queued under a new dispatch. Room is kept
-- for them until they are claimed, or for one to two seconds. Their tickets go out one level higher than they are, or they would stand behind thousands of their level that find no room.
-- Gates are locked in the order of their ids; of jobs, what somebody else holds is skipped. Rules that are gone let everything through.
create function jobs.admit(p_gates text[], p_ahead float8, p_most integer)
returns table (id uuid, dispatch integer, queue text, priority smallint, type text) language plpgsql as $$
#variable_conflict use_column
declare
  v_gate   record;
  v_level  float8;
  v_at     timestamptz;
  v_freed  bigint;
  v_seg    float4[];
  v_room   integer;
  v_permit timestamptz;
  v_now    timestamptz;
  v_sent   integer;
  v_next   uuid[];
begin
  for v_gate in
    select g.*, r.name, r.counts, coalesce(g.slots, r.slots) as most, r.algorithm, coalesce(g.amount, r.amount) as tokens,
      jobs.period_of(r.algorithm, r.period, g.lent) as lent_period, jobs.burst_of(r.algorithm, coalesce(g.amount, r.amount), r.period, r.burst, g.lent) as lent_burst,
      g.woken_at > now() - interval '1 second' as lately, case when g.woken_at > now() - interval '1 second' then g.woken + g.woken_before when g.woken_at > now() - interval '2 seconds' then g.woken else 0 end as kept
    from jobs.gate g left join jobs.limit_rule r on r.name = g.rule
    where g.id = any(p_gates) and g.waiting order by g.id for update of g
  loop
    v_now := clock_timestamp(); -- after the lock
    v_room := p_most;
    if v_gate.counts then
      select x.freed into v_freed from jobs.gate_exit x where x.id = v_gate.id; -- not locked: who frees more after this finds somebody waiting, and admits again
      v_room := least(v_room, coalesce(v_gate.most - v_gate.taken + greatest(coalesce(v_freed, 0) - v_gate.seen, 0), v_room) - v_gate.kept);
    end if;
    if v_gate.name is not null and v_gate.paused_until > v_now then -- not ahead: a claim does not wait for the end of a pause
      v_room := 0;
    elsif v_gate.algorithm is not null and v_room > 0 then
      v_level := v_gate.level;
      v_at := v_gate.at;
      v_seg := v_gate.segments;
      for i in 1 .. v_room + v_gate.kept + 1 loop
        select p.level, p.at, p.segments, p.permit into v_level, v_at, v_seg, v_permit from jobs.permit(v_gate.algorithm, v_gate.tokens, v_gate.lent_period, v_gate.lent_burst, v_level, v_at, v_seg, v_now, 1) p;
        if v_permit > v_now + p_ahead * interval '1 second' then
          v_room := least(v_room, i - 1 - v_gate.kept);
          exit;
        end if;
      end loop;
    end if;
    if v_room > 0 then
      v_next := array(select n.id from jobs.next_blocked(v_gate.id, v_room) n (id)); -- 0018_fairness.sql
      return query
      update jobs.job j set state = 'queued', dispatch = j.dispatch + 1, ticket_at = now(), blocked_on = null, woken_at = now()
      where j.id = any(v_next) and j.state = 'blocked' and j.blocked_on is not distinct from v_gate.id -- not `=`: its index would be walked from end to end
      returning j.id, j.dispatch, j.queue, least(31, greatest(1, j.priority) + 1)::smallint, j.type;
      get diagnostics v_sent = row_count;
      update jobs.gate g set
        woken = v_sent + case when v_gate.lately then g.woken else 0 end, woken_before = case when v_gate.lately then g.woken_before else v_gate.kept end,
        woken_at = case when v_gate.lately then g.woken_at else now() end,
        waiting = jobs.is_awaited(g.id)
      where g.id = v_gate.id;
      update jobs.gate_exit x set waiting = false where x.id = v_gate.id and x.waiting and not jobs.is_awaited(x.id);
    end if;
  end loop;
end $$;
