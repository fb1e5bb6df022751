-- Push back: a handler was told by the other side (HTTP 429) to come back later. Who told whom is known by the rules of limits: the gates of that job start nothing until then.

-- X6 of attempts that were told to come back later, in so many seconds each; p_rules: the limit that it concerns, null: of those that know the job, the ones with a rate, or all if none has.
-- A rule that is named need not know the job: its handler may have called for others. The gates are paused for all who come, at most once for longer than they are already.
-- The job itself waits at the first of its gates, by priority and age like the others there, or for its own time if no rule says which gates. No attempt is used up.
-- Jobs are locked first, in the order of their ids, then gates in the order of theirs, then their exits, as all that lock several do.
create function jobs.push_back(p_session uuid, p_ids uuid[], p_attempts integer[], p_delays float8[], p_rules text[], out written integer, out room text[], out unknown text[]) language plpgsql as $$
declare
  v_jobs   uuid[];    -- each with ...
  v_gates  text[];    -- ... one of its gates
  v_delays float8[];
  v_first  text[];    -- the gates at which they wait
begin
  perform jobs.share_limits();
  perform from unnest(p_ids, p_attempts) as t (id, attempt) join jobs.job j on j.id = any(array[t.id])
    where j.state = 'running' and j.attempt = t.attempt and j.session = p_session order by j.id for update of j;

  with mine as materialized (
    select t.*, j.queue, j.type, j.args from unnest(p_ids, p_attempts, p_delays, p_rules) as t (id, attempt, delay, rule) join jobs.job j on j.id = any(array[t.id])
    where j.state = 'running' and j.attempt = t.attempt and j.session = p_session
  ), known as materialized (
    select m.id, m.delay, m.rule, r.name || ':' || k.key collate "C" as gate, r.algorithm is not null as rated
    from mine m
      join jobs.limit_rule r on case when m.rule is null then (r.queue is null or r.queue = m.queue) and (r.type is null or r.type = m.type) else r.name = m.rule end
      cross join lateral (select jobs.gate_key(m.args, r.key) as key) k
    where k.key is not null
  ), told as (
    select k.* from known k where k.rated or k.rule is not null or not exists (select from known o where o.id = k.id and o.rated)
  )
  select array_agg(t.id), array_agg(t.gate), array_agg(t.delay), (select array_agg(distinct f.gate) from (select min(o.gate) as gate from told o group by o.id) f),
      (select array_agg(distinct m.type) from mine m where m.id not in (select o.id from told o))
    into v_jobs, v_gates, v_delays, v_first, unknown from told t;

  insert into jobs.gate as g (id, rule, waiting, paused_until, paused_by)
  select t.gate, split_part(t.gate, ':', 1), t.gate = any(v_first), now() + t.delay * interval '1 second', t.id
  from (select distinct on (x.gate) x.gate collate "C" as gate, x.delay, x.id from unnest(v_jobs, v_gates, v_delays) as x (id, gate, delay) order by x.gate, x.delay desc) t order by t.gate
  on conflict (id) do update set
    waiting = g.waiting or excluded.waiting,
    paused_until = greatest(g.paused_until, excluded.paused_until),
    paused_by = case when excluded.paused_until > coalesce(g.paused_until, '-infinity') then excluded.paused_by else g.paused_by end;

  with freed as (
    select s.gate collate "C" as gate, count(*) as n
    from unnest(p_ids, p_attempts) as t (id, attempt) join jobs.job j on j.id = any(array[t.id]) cross join unnest(j.slots) as s (gate)
    where j.state = 'running' and j.attempt = t.attempt and j.session = p_session group by 1
  ), changed as (
    insert into jobs.gate_exit as x (id, freed, waiting)
    select gate, coalesce(f.n, 0), w.gate is not null from freed f full join (select u.gate collate "C" as gate from unnest(v_first) as u (gate)) w using (gate) order by 1
    on conflict (id) do update set freed = x.freed + excluded.freed, waiting = x.waiting or excluded.waiting
    returning x.id, x.waiting
  )
  select array_agg(c.id) into room from changed c where c.waiting and c.id <> all(coalesce(v_gates, '{}'));

  update jobs.job j set
    state = case when f.gate is null then 'scheduled' else 'blocked' end::jobs.state, session = null, ticket_at = null, slots = null, woken_at = null, blocked_on = f.gate,
    due_at = case when f.gate is null then now() + t.delay * interval '1 second' end,
    events = case when jsonb_array_length(j.events) >= 100 then j.events #- '{20}' else coalesce(j.events, '[]') end
      || jsonb_strip_nulls(jsonb_build_object('at', now(), 'what', 'rateLimited', 'attempt', j.attempt, 'session', j.session, 'startedAt', j.started_at,
        'dueAt', coalesce((select g.paused_until from jobs.gate g where g.id = f.gate), now() + t.delay * interval '1 second'), 'reason', f.gates))
  from unnest(p_ids, p_attempts, p_delays) as t (id, attempt, delay)
    left join lateral (select min(g.gate collate "C") as gate, string_agg(g.gate, ', ' order by g.gate) as gates from unnest(v_jobs, v_gates) as g (id, gate) where g.id = t.id) f on true
  where j.id = any(array[t.id]) and j.state = 'running' and j.attempt = t.attempt and j.session = p_session;
  get diagnostics written = row_count;

  if v_gates is not null then
    perform jobs.signal('gates'); -- somebody waits for time to pass
  end if;
end $$;

-- Permits for apps: the same rules and gates, asked by code that is no job. A rule with slots counts holds beside running jobs; one with a rate lends tokens of the same meter.

alter table jobs.gate add column lent float8 not null default 0; -- seconds after its permit within which a lent token may still be used; what that could do to the bound is kept back for good

-- Slots that apps hold: jobs.held() of the gate is the number of running jobs that name it and the sum of these.
create table jobs.hold (
  id      uuid        not null,
  gate    text collate "C" not null,
  session uuid        not null,
  n       integer     not null,
  since   timestamptz not null default now(),
  constraint hold_pk primary key (id),
  constraint hold_n check (n > 0)
);
create index hold_session on jobs.hold (session);

-- Whoever ends a session gives back what it held, in the same statement. A hold is taken under a lock of its session's row, so none comes after.
create function jobs.end_holds() returns trigger language plpgsql as $$
begin
  with gone as (
    delete from jobs.hold h using ended e where h.session = e.id returning h.gate, h.n
  )
  insert into jobs.gate_exit as x (id, freed) select g.gate, sum(g.n) from gone g group by 1 order by 1 on conflict (id) do update set freed = x.freed + excluded.freed;
  if found then
    perform jobs.signal('gates');
  end if;
  return null;
end $$;
create trigger session_holds after delete on jobs.session referencing old table as ended for each statement execute function jobs.end_holds();

-- A token that is lent may be used up to `lent` seconds after its permit. That moves uses together by what the rate gives in this time, so the meter keeps as much of the burst back, or
-- looks at a window that is longer by this time; then the bound holds for uses too. For all who ask this meter, jobs or apps.
create function jobs.burst_of(algorithm text, amount float8, period float8, burst float8, lent float8) returns float8 language sql immutable parallel safe as $$
  select case when algorithm = 'token' and lent > 0 then greatest(1, burst - amount / period * lent) else burst end
$$;
create function jobs.period_of(algorithm text, period float8, lent float8) returns float8 language sql immutable parallel safe as $$
  select case when algorithm = 'sliding' then period + lent else period end
$$;

-- How long after its permit a token may be used (`valid`) when it is lent now, with which loan the meter reckons from now on (`lent`), and how many tokens are charged beside.
-- p_valid: of blocks, where the burst has room for that, or the window is long; p_short: elsewhere, where each loan costs what the rate gives meanwhile. Where that is next to nothing it is
-- longer, up to two seconds: a token that comes too late is lost, and one of a day's five is missed.
create function jobs.loan(algorithm text, amount float8, period float8, burst float8, inout lent float8, p_valid float8, p_short float8, out valid float8, out extra float8) language plpgsql immutable as $$
declare
  v_rate float8 := amount / period;
begin
  extra := 0;
  if algorithm = 'fixed' then
    valid := greatest(p_valid, 2); -- and never into the next period
  elsif algorithm = 'sliding' then
    valid := greatest(case when period >= 20 * p_valid then p_valid else p_short end, least(2, period / 50));
    lent := greatest(lent, valid);
  elsif algorithm = 'token' and v_rate * p_valid > 0.05 and burst - v_rate * greatest(lent, p_valid) >= greatest(1, burst / 2) then
    valid := p_valid;
    lent := greatest(lent, valid);
  else
    valid := greatest(p_short, least(2, 0.02 / v_rate));
    extra := v_rate * valid;
  end if;
end $$;

create function jobs.next_hundredth(t timestamptz, period float8) returns timestamptz language sql immutable parallel safe as $$
  select 'epoch'::timestamptz + ceil(extract(epoch from t) * 1000000 / ceil(period * 1e4)::bigint) * ceil(period * 1e4)::bigint * interval '1 microsecond'
$$;

-- As jobs.permit, of a meter of the rule (algorithm, amount, period, burst) for tokens that are lent: the bound of the rule holds for their use between `permit` and `valid` seconds after it.
create function jobs.lend(algorithm text, amount float8, period float8, burst float8, inout level float8, inout at timestamptz, inout segments float4[], inout lent float8, t timestamptz, cost float8,
  p_valid float8, p_short float8, out permit timestamptz, out valid float8) language plpgsql immutable as $$
declare
  v_lent   float8 := lent;
  v_extra  float8;
  v_period float8;
begin
  select l.lent, l.valid, l.extra into lend.lent, lend.valid, v_extra from jobs.loan(algorithm, amount, period, burst, lent, p_valid, p_short) l;
  v_period := jobs.period_of(algorithm, period, lent);
  if algorithm = 'sliding' and lent > v_lent and at is not null then -- its hundredths are longer from now on: what was counted leaves late, not early
    at := jobs.next_hundredth(at, v_period);
  end if;
  select p.level + v_extra, p.at, p.segments, p.permit into lend.level, lend.at, lend.segments, lend.permit
    from jobs.permit(algorithm, amount, v_period, jobs.burst_of(algorithm, amount, period, burst, lent), level, at, segments, t, cost) p;
  if algorithm = 'fixed' then -- not into the next period
    valid := least(valid, period - extract(epoch from permit - at));
  end if;
end $$;

-- Between p_least and p_want permits of a rule for one value of its key (null: it has none), to be used not before `wait` seconds from the answer, and until `valid` seconds after that.
-- Slots are held under p_hold, exactly p_least of them. p_valid, p_short: how long tokens are lent in blocks, and where each is lent alone.
-- said: 'granted'; 'wait' (nothing now; maybe in `wait` seconds, null: when somebody gives back); 'never' (p_least is more than the `most` it could ever grant);
-- 'none' (no such rule), 'keyed', 'plain' (it needs a key, has none); 'gone' (the session has ended).
create function jobs.take_permits(p_session uuid, p_hold uuid, p_rule text, p_key text, p_least integer, p_want integer, p_valid float8, p_short float8, p_ahead float8,
  out said text, out granted integer, out wait float8, out valid float8, out most float8, out counts boolean) language plpgsql as $$
declare
  v_rule   jobs.limit_rule;
  v_gate   jobs.gate;
  v_id     text;
  v_now    timestamptz;
  v_amount float8;
  v_lent   float8;
  v_permit timestamptz;
  v_valid  float8;
  v_after  jobs.gate;
begin
  perform jobs.share_limits();
  select * into v_rule from jobs.limit_rule r where r.name = p_rule;
  if not found or (v_rule.key is null) <> (p_key is null) then
    said := case when v_rule.name is null then 'none' when p_key is null then 'keyed' else 'plain' end;
    return;
  end if;
  counts := v_rule.counts;
  if counts then
    perform from jobs.session s where s.id = p_session for key share;
    if not found then
      said := 'gone';
      return;
    end if;
  end if;
  v_id := p_rule || ':' || jobs.gate_key(to_json(p_key), case when p_key is not null then '{}'::text[] end);
  insert into jobs.gate as g (id, rule) values (v_id, p_rule)
  on conflict (id) do update set woken = case when g.woken_at > now() - interval '2 seconds' then g.woken else 0 end returning g.* into v_gate;
  v_now := clock_timestamp(); -- after the lock
  v_amount := coalesce(v_gate.amount, v_rule.amount);
  select l.lent into v_lent from jobs.loan(v_rule.algorithm, v_amount, v_rule.period, v_rule.burst, v_gate.lent, p_valid, p_short) l;
  most := least(case when counts then greatest(1, coalesce(v_gate.slots, v_rule.slots)) end,
    greatest(1, floor(case v_rule.algorithm when 'token' then jobs.burst_of('token', v_amount, v_rule.period, v_rule.burst, v_lent) when 'leaky' then 'infinity' else coalesce(v_amount, 'infinity') end)));
  said := case when p_least > most then 'never' else 'wait' end;
  if said = 'never' then
    return;
  end if;
  if v_gate.paused_until > v_now then
    wait := extract(epoch from v_gate.paused_until - v_now);
    return;
  end if;
  if counts and jobs.held(v_gate) + v_gate.woken + p_least > coalesce(v_gate.slots, v_rule.slots) then
    return;
  end if;

  granted := p_least;
  wait := 0;
  if v_rule.algorithm is not null then
    -- A block, if it is there at once or nearly; else what is needed least.
    if not counts and v_rule.algorithm <> 'leaky' then
      granted := greatest(p_least, least(p_want, floor(v_amount / v_rule.period * p_valid), most, 1e6));
    end if;
    loop
      v_after := v_gate;
      select l.level, l.at, l.segments, l.lent, l.permit, l.valid into v_after.level, v_after.at, v_after.segments, v_after.lent, v_permit, v_valid
        from jobs.lend(v_rule.algorithm, v_amount, v_rule.period, v_rule.burst, v_gate.level, v_gate.at, v_gate.segments, v_gate.lent, v_now, granted, p_valid, p_short) l;
      exit when granted = p_least or v_permit <= v_now + case when v_rule.algorithm = 'token' then p_ahead else 0 end * interval '1 second';
      granted := p_least;
    end loop;
    if v_permit > v_now + p_ahead * interval '1 second' then
      -- The meter keeps back from now on what loans need: with the whole burst for themselves, jobs would always be first.
      update jobs.gate g set lent = v_lent, at = case when v_rule.algorithm = 'sliding' and v_lent > v_gate.lent then jobs.next_hundredth(v_gate.at, v_rule.period + v_lent) else g.at end
      where g.id = v_id and v_lent > v_gate.lent;
      granted := null;
      wait := extract(epoch from v_permit - v_now);
      return;
    end if;
    v_gate := v_after;
    valid := v_valid;
    wait := greatest(0, extract(epoch from v_permit - clock_timestamp()));
  end if;
  if counts then
    insert into jobs.hold (id, gate, session, n) values (p_hold, v_id, p_session, granted);
  end if;
  update jobs.gate g set taken = v_gate.taken + case when counts then granted else 0 end, level = v_gate.level, at = v_gate.at, segments = v_gate.segments, lent = v_gate.lent where g.id = v_id;
  said := 'granted';
end $$;
