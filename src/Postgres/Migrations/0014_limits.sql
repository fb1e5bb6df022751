-- Limits that hold in the whole installation. A rule says what is limited (a queue, a type, a key of the arguments); a gate is the state of one rule for one value of its key.
-- A claim takes a job through all its gates or through none: then the job is blocked on the gate that did not let it through, and admitted again when that has room.

create table jobs.limit_rule (
  name      text collate "C" not null,
  queue     text,                                -- null: jobs of any queue
  type      text,                                -- null: of any type
  key       text[],                              -- path into the arguments: a gate for each value; jobs without one are not limited. Null: one gate
  slots     integer,                             -- so many may run at once; null: any number
  counts    boolean     not null,                -- running jobs are counted: it has slots, or a key has
  algorithm text,                                -- of its rate; null: it has none
  amount    float8,                              -- tokens ...
  period    float8,                              -- ... in so many seconds
  burst     float8,                              -- token bucket: its size
  cost      text[],                              -- path to how many tokens a job takes; null, or nothing there: one
  origin    text        not null,                -- who set it: code, configuration, operator
  set_at    timestamptz not null default now(),
  by        text,
  reason    text,
  constraint limit_rule_pk primary key (name),
  constraint limit_rule_scope check (queue is not null or type is not null or key is not null),
  constraint limit_rule_slots check (slots >= 0),
  constraint limit_rule_rate check (algorithm is null or (amount > 0 and period > 0 and burst > 0)),
  constraint limit_rule_algorithm check (algorithm in ('token', 'leaky', 'fixed', 'sliding'))
);

create table jobs.gate (
  id           text collate "C" not null,        -- RULE:KEY
  rule         text collate "C" not null,
  slots        integer,                          -- for this key, instead of the rule's
  amount       float8,                           -- the same
  taken        bigint      not null default 0,   -- slots that claims took, less those given back that they have seen. What is held is jobs.held()
  seen         bigint      not null default 0,   -- of gate_exit.freed
  waiting      boolean     not null default false, -- somebody is blocked on it; set under its lock
  woken        integer     not null default 0,   -- admitted since woken_at and not claimed yet. A hint, forgotten after one to two seconds: room that is kept for them
  woken_before integer     not null default 0,   -- the same in the second before that: what was lost on its way is forgotten, however many follow
  woken_at     timestamptz,
  paused_until timestamptz,                      -- a handler was told by the other side to come back later
  paused_by    uuid,
  level        float8      not null default 0,   -- what its meter shows ...
  at           timestamptz,                      -- ... at this time: buckets drain from then on; windows begin then
  segments     float4[],                         -- sliding window: what was let through in each hundredth of it, newest first
  constraint gate_pk primary key (id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);

-- Its other side: what ends give back, so that no end waits for a claim to commit, nor a claim for an end. A claim that looks at it without a lock finds too many slots held, never too few;
-- one that is about to refuse a job locks it, so that whoever gives a slot back later sees that somebody waits.
create table jobs.gate_exit (
  id      text collate "C" not null,
  freed   bigint  not null default 0,            -- slots given back, ever
  waiting boolean not null default false,        -- as in gate
  constraint gate_exit_pk primary key (id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);

create index gate_waiting on jobs.gate (id) where waiting;
create index gate_rule on jobs.gate (rule);

-- No claim of a job that no limit knows changes any of these, so it stays a heap-only update.
alter table jobs.job
  add column slots      text[] collate "C",      -- running: the gates that count it
  add column blocked_on text collate "C",        -- blocked: the gate that did not let it through
  add column unique_was text,                    -- running: the unique key that its claim gave up, which it has again if the claim is taken back
  add column woken_at   timestamptz;             -- queued, admitted by a gate then: it may take the room that is kept
create index job_blocked on jobs.job (blocked_on, priority desc, id) where blocked_on is not null;

-- Running jobs that name this gate in their slots, and what apps hold of it (jobs.hold). Only the statements that start and stop a run change it, so it cannot leak.
create function jobs.held(g jobs.gate) returns integer language sql stable as $$
  select (g.taken - coalesce((select x.freed from jobs.gate_exit x where x.id = g.id), g.seen) + g.seen)::integer
$$;

-- Held by every claim until its commit, so that a new rule finds all that run, and no claim misses the rule.
create function jobs.share_limits() returns void language sql as $$
  select pg_advisory_xact_lock_shared(hashtextextended('jobs.limits', 0))
$$;

-- Whether any rule may concern jobs of these types in this queue, or the queue is fair (0018_fairness.sql), at this moment and not when the calling statement began.
create function jobs.is_limited(p_queue text, p_types text[]) returns boolean language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('jobs.limits', 0));
  return exists (select from jobs.limit_rule r where (r.queue is null or r.queue = p_queue) and (r.type is null or r.type = any(p_types))) or exists (select from jobs.fair_queue f where f.name = p_queue);
end $$;

-- A key as it stands in the name of its gate; null: the rule does not know the job.
create function jobs.gate_key(args json, key text[]) returns text language sql immutable parallel safe as $$
  select case when key is null then '' when octet_length(args::text) <= 200 or length(args #>> key) <= 200 then args #>> key else left(args #>> key, 160) || md5(args #>> key) end
$$;

-- X2 where limits may apply: as claim_if_queued.sql, and each job through all its gates or through none. Jobs are locked first, in the order of their ids, then gates in the order of
-- theirs, as all that lock both do. All is claimed and counted at first, in one statement, which is right where no limit is reached; else pass_gates takes back what does not fit.
-- Of the answer, `said` is 'claimed', 'blocked' (it is not claimed after all), 'late' (it may start in `wait` seconds), 'admit' (the gate in `type` has room, and somebody waits there),
-- 'fair' (the queue is: which jobs were claimed is not what the tickets said), or 'unlimited' (nothing was looked at: no rule applies, and the queue is not fair).
create function jobs.claim_limited(p_session uuid, p_ids uuid[], p_dispatches integer[], p_queue text, p_types text[], p_ahead float8)
returns table (said text, id uuid, attempt integer, failures smallint, priority smallint, type text, enqueued_at timestamptz, args json, timeout float4, batch uuid, after uuid[], trace text,
  meta jsonb, limited boolean, wait float8) language plpgsql as $$
#variable_conflict use_column
declare
  v_rules    integer;
  v_counting integer;   -- of them, those that count what runs ...
  v_same     boolean;   -- ... in the same gates for all these jobs,
  v_names    text[];    -- ... which are these
  v_alone    boolean;   -- only one counts, for any type, by a key ...
  v_path     text[];    -- ... at this path
  v_slots    integer;   -- of a single counting rule
  v_rated    integer;
  v_flat     boolean;   -- a rate, if there is one, is one for all these jobs, a token each
  v_n        integer;
  v_places   tid[];     -- in a fair queue: where the rows of p_ids are
  v_fair     boolean := exists (select from jobs.fair_queue f where f.name = p_queue);
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('jobs.limits', 0));
  select count(*), count(*) filter (where r.counts), coalesce(bool_and(r.key is null and r.type is null) filter (where r.counts), true), array_agg(r.name || ':' order by r.name) filter (where r.counts),
    coalesce(count(*) filter (where r.counts) = 1 and bool_and(r.key is not null and r.type is null) filter (where r.counts), false), min(r.slots) filter (where r.counts),
    count(r.algorithm), coalesce(bool_and(r.algorithm is null or r.key is null and r.type is null and r.cost is null), true)
    into v_rules, v_counting, v_same, v_names, v_alone, v_slots, v_rated, v_flat
    from jobs.limit_rule r where (r.queue is null or r.queue = p_queue) and (r.type is null or r.type = any(p_types));
  if v_rules = 0 and not v_fair then
    return query select 'unlimited', null::uuid, null::integer, null::smallint, null::smallint, null, null::timestamptz, null::json, null::float4, null::uuid, null::uuid[], null, null::jsonb, false, 0::float8;
    return;
  end if;
  if exists (select from jobs.queue q where q.name = p_queue and q.paused_at is not null and (q.paused_until is null or q.paused_until > now())) then
    return;
  end if;
  if v_fair then -- any of its jobs
    select f.ids, f.dispatches, f.places into p_ids, p_dispatches, v_places from jobs.choose_fair(p_session, p_queue, p_types,
      v_rules > 0 or coalesce((select not q.passed or q.key is null from jobs.fair_queue q where q.name = p_queue), true) or exists (select from jobs.gate), p_ids, p_dispatches) f; -- forgotten just now: its tickets say which
    return query select 'fair', null::uuid, null::integer, null::smallint, null::smallint, null, null::timestamptz, null::json, null::float4, null::uuid, null::uuid[], null, null::jsonb, false, 0::float8;
    if v_rules = 0 then -- they are locked
      return query
      update jobs.job j set
        state = 'running', attempt = j.attempt + 1, session = p_session, started_at = now(),
        unique_key = case when j.unique_waiting then null else j.unique_key end, unique_was = case when j.unique_waiting then j.unique_key end
      from unnest(p_ids, v_places) as t (id, place)
      where j.ctid = t.place and (j.id = t.id) is true and j.state = 'queued' -- only the place leads there
      returning 'claimed', j.id, j.attempt, j.failures, j.priority, j.type, j.enqueued_at, j.args, j.timeout, j.batch, j.after, j.trace, j.meta, false, 0::float8;
      return;
    end if;
  end if;
  if v_alone then
    select r.key into v_path from jobs.limit_rule r where r.name || ':' = v_names[1];
  end if;

  return query
  with claimed as (
    update jobs.job j set
      state = 'running', attempt = j.attempt + 1, session = p_session, started_at = now(),
      unique_key = case when j.unique_waiting then null else j.unique_key end, unique_was = case when j.unique_waiting then j.unique_key end,
      slots = case when v_same then v_names
        when v_alone then nullif(array_remove(array[v_names[1] || jobs.gate_key(j.args, v_path)], null), '{}')
        else (select array_agg(r.name || ':' || k.key order by r.name) from jobs.limit_rule r cross join lateral (select jobs.gate_key(j.args, r.key) as key) k
          where r.counts and (r.queue is null or r.queue = p_queue) and (r.type is null or r.type = j.type) and k.key is not null) end
    from unnest(p_ids, p_dispatches) as t (id, dispatch)
    where j.id = any(array[t.id]) and j.state = 'queued' and j.dispatch = t.dispatch and j.queue = p_queue and j.type = any(p_types)
      and (j.expires_at is null or j.expires_at > now())
    returning j.id, j.attempt, j.failures, j.priority, j.type, j.enqueued_at, j.args, j.timeout, j.batch, j.after, j.trace, j.meta, j.slots
  ), need as (
    select s.gate collate "C" as gate, sum(m.n)::integer as n from (select c.slots, count(*) as n from claimed c where c.slots is not null group by c.slots) m cross join unnest(m.slots) as s (gate) group by 1
    union all
    select r.name || ':', 0 from jobs.limit_rule r where v_rated > 0 and v_flat and r.algorithm is not null and not r.counts and (r.queue is null or r.queue = p_queue) and exists (select from claimed)
  ), taken as (
    insert into jobs.gate (id, rule, taken) select n.gate, split_part(n.gate, ':', 1), n.n from need n where v_flat order by 1
    on conflict (id) do update set -- where it seems that not all fit, with those that are known to have been given back
      taken = gate.taken + excluded.taken - case when gate.taken + excluded.taken > coalesce(gate.slots, case when v_counting = 1 then v_slots else (select r.slots from jobs.limit_rule r where r.name = gate.rule) end)
        then coalesce((select x.freed from jobs.gate_exit x where x.id = gate.id), gate.seen) - gate.seen else 0 end,
      seen = case when gate.taken + excluded.taken > coalesce(gate.slots, case when v_counting = 1 then v_slots else (select r.slots from jobs.limit_rule r where r.name = gate.rule) end)
        then coalesce((select x.freed from jobs.gate_exit x where x.id = gate.id), gate.seen) else gate.seen end
    returning not gate.waiting and coalesce(gate.paused_until <= now(), true) and (gate.woken + gate.woken_before = 0 or gate.woken_at <= now() - interval '2 seconds')
      and coalesce(gate.taken <= coalesce(gate.slots, case when v_counting = 1 then v_slots else (select r.slots from jobs.limit_rule r where r.name = gate.rule) end), true) as fits
  ), told as materialized (
    select set_config('jobs_limits.fit', (v_flat and coalesce(bool_and(t.fits), true))::text, true) from taken t
  )
  select 'claimed', c.id, c.attempt, c.failures, c.priority, c.type, c.enqueued_at, c.args, c.timeout, c.batch, c.after, c.trace, c.meta, c.slots is not null, 0::float8 from claimed c cross join told;
  get diagnostics v_n = row_count;
  if v_n > 0 and not (current_setting('jobs_limits.fit')::boolean and (v_rated = 0 or jobs.take_tokens(p_queue, v_n) = v_rated)) then
    return query select w.said, w.id, null::integer, null::smallint, null::smallint, w.gate, null::timestamptz, null::json, null::float4, null::uuid, null::uuid[], null, null::jsonb, false, w.wait
      from jobs.pass_gates(p_session, p_ids, p_queue, p_ahead, v_flat) w;
  end if;
end $$;

-- A token for each of p_n jobs from all rates that know no difference between the jobs of this queue, if all of these have them now; returns how many rates that is, else 0. The caller holds their gates.
create function jobs.take_tokens(p_queue text, p_n integer) returns integer language plpgsql as $$
#variable_conflict use_column
declare
  v_taken integer;
begin
  with meter as materialized (
    select g.id, p.level, p.at, p.segments, p.permit <= now() and p_n <= case r.algorithm when 'token' then l.burst when 'leaky' then 1 else coalesce(g.amount, r.amount) end as fits
    from jobs.limit_rule r join jobs.gate g on g.id = r.name || ':'
      cross join lateral (select jobs.period_of(r.algorithm, r.period, g.lent) as period, jobs.burst_of(r.algorithm, coalesce(g.amount, r.amount), r.period, r.burst, g.lent) as burst) l
      cross join lateral jobs.permit(r.algorithm, coalesce(g.amount, r.amount), l.period, l.burst, g.level, g.at, g.segments, now(), p_n) p
    where r.algorithm is not null and (r.queue is null or r.queue = p_queue) and r.type is null
  )
  update jobs.gate g set level = m.level, at = m.at, segments = m.segments from meter m where g.id = m.id and (select bool_and(fits) from meter);
  get diagnostics v_taken = row_count;
  return v_taken;
end $$;

-- The jobs that this very transaction has claimed, of these, through their gates. Those that do not fit are blocked. p_taken: their slots are taken already.
create function jobs.pass_gates(p_session uuid, p_ids uuid[], p_queue text, p_ahead float8, p_taken boolean) returns table (said text, id uuid, gate text, wait float8) language plpgsql as $$
#variable_conflict use_column
declare
  v_until   timestamptz := now() + p_ahead * interval '1 second';
  v_ids     text[];             -- the gates of these jobs; those below are in the same order
  v_idle    text[];             -- those at which nobody waited before
  v_gates   jobs.gate[];        -- their state, at first with all slots taken
  v_rules   jobs.limit_rule[];
  v_slots   integer[];          -- what all of these jobs together ask of them
  v_costs   float8[];
  v_fits    boolean;            -- all of them fit
  v_admitted boolean;           -- ... because all were admitted and have room
  v_rated   boolean := false;
  v_new     jobs.gate[];
  v_gate    jobs.gate;
  v_rule    jobs.limit_rule;
  v_asked   timestamptz;
  v_permit  timestamptz;
  v_one     timestamptz;
  v_stop    integer;
  v_refused uuid[] := '{}';
  v_by      text[] := '{}';
  v_late    uuid[] := '{}';
  v_starts  timestamptz[] := '{}';
  c         record;
  i         integer;
begin
  with mine as materialized (
    select j.id, j.slots, j.args, j.type, j.woken_at from jobs.job j
    where j.id = any(p_ids) and j.state = 'running' and j.session = p_session and j.started_at = now()
  ), need as (
    select s.gate, count(*)::integer as slots, count(m.woken_at)::integer as woken, 0::float8 as cost from mine m cross join unnest(m.slots) as s (gate) group by s.gate
    union all
    select r.name || ':' || k.key, 0, case when r.counts then 0 else count(m.woken_at)::integer end, sum(jobs.token_cost(m.args, r.cost))
    from jobs.limit_rule r join mine m on r.type is null or r.type = m.type cross join lateral (select jobs.gate_key(m.args, r.key) as key) k
    where r.algorithm is not null and (r.queue is null or r.queue = p_queue) and k.key is not null
    group by r.name, r.counts, k.key
  ), total as materialized (
    select n.gate collate "C" as gate, sum(n.slots)::integer as slots, sum(n.woken)::integer as woken, sum(n.cost) as cost from need n group by 1 order by 1
  ), locked as (
    insert into jobs.gate (id, rule, taken) select t.gate, split_part(t.gate, ':', 1), case when p_taken then 0 else t.slots end from total t
    on conflict (id) do update set taken = gate.taken + excluded.taken,
      woken = case when gate.woken_at > now() - interval '1 second' then gate.woken else 0 end,
      woken_before = case when gate.woken_at > now() - interval '1 second' then gate.woken_before when gate.woken_at > now() - interval '2 seconds' then gate.woken else 0 end,
      woken_at = case when gate.woken_at > now() - interval '1 second' then gate.woken_at else now() end
    returning gate as g
  )
  select array_agg((l.g).id order by t.gate), array_agg((l.g).id) filter (where not (l.g).waiting), array_agg(l.g order by t.gate), array_agg(r order by t.gate), array_agg(t.slots order by t.gate),
    array_agg(t.cost order by t.gate), bool_or(r.algorithm is not null),
    bool_and(t.woken = t.slots and r.algorithm is null and coalesce((l.g).paused_until <= now(), true) and (l.g).taken - greatest(x.freed - (l.g).seen, 0) <= coalesce((l.g).slots, r.slots)),
    bool_and(t.woken = 0 and not (l.g).waiting and coalesce((l.g).paused_until <= now(), true) and coalesce((l.g).taken + (l.g).woken + (l.g).woken_before <= coalesce((l.g).slots, r.slots), true) and r.algorithm is distinct from 'leaky')
    into v_ids, v_idle, v_gates, v_rules, v_slots, v_costs, v_rated, v_admitted, v_fits
    from locked l join total t on t.gate = (l.g).id join jobs.limit_rule r on r.name = (l.g).rule left join jobs.gate_exit x on x.id = (l.g).id;
  v_new := v_gates;

  -- All of them were admitted, and their room is there: nobody is to wait, so the other side of the gates is only read, and an end does not wait for this claim. What it has freed since then counts later.
  if v_admitted then
    with passed as (
      update jobs.gate g set taken = g.taken - greatest(coalesce(x.freed, 0) - g.seen, 0), seen = greatest(x.freed, g.seen),
        woken = greatest(0, g.woken - t.n), woken_before = greatest(0, g.woken_before - greatest(0, t.n - g.woken))
      from unnest(v_ids, v_slots) as t (id, n) left join jobs.gate_exit x on x.id = t.id where g.id = t.id
      returning g as g
    )
    select array_agg(p.g) into v_new from passed p;
    v_fits := true;
  end if;

  -- Whether their meters let all of them through now.
  if v_fits and v_rated then
    for i in 1 .. cardinality(v_ids) loop
      v_rule := v_rules[i];
      if v_rule.algorithm is not null then
        v_gate := v_gates[i];
        select p.level, p.at, p.segments, p.permit into v_gate.level, v_gate.at, v_gate.segments, v_permit
          from jobs.permit(v_rule.algorithm, coalesce(v_gate.amount, v_rule.amount), jobs.period_of(v_rule.algorithm, v_rule.period, v_gate.lent), jobs.burst_of(v_rule.algorithm, coalesce(v_gate.amount, v_rule.amount), v_rule.period, v_rule.burst, v_gate.lent), v_gate.level, v_gate.at, v_gate.segments, now(), v_costs[i]) p;
        v_fits := v_fits and v_permit <= now() and v_costs[i] <= case v_rule.algorithm when 'token' then jobs.burst_of('token', coalesce(v_gate.amount, v_rule.amount), v_rule.period, v_rule.burst, v_gate.lent) else coalesce(v_gate.amount, v_rule.amount) end;
        v_new[i] := v_gate;
      end if;
    end loop;
  end if;

  -- One after another: those that were admitted, then by priority and in the order of p_ids, which is that of age or, in a fair queue, of turns.
  if not v_fits then
    insert into jobs.gate_exit (id) select v_ids[n] from generate_series(1, cardinality(v_ids)) n where (v_rules[n]).counts order by n on conflict (id) do nothing;
    for c in select array_position(v_ids, x.id) as place, x.freed from jobs.gate_exit x where x.id = any(v_ids) order by x.id for update loop
      v_gates[c.place].taken := v_gates[c.place].taken - v_slots[c.place] - (c.freed - v_gates[c.place].seen);
      v_gates[c.place].seen := c.freed;
    end loop;
    for c in
      select j.id, j.woken_at, j.woken_at is not null as woken, x.places, x.costs
      from jobs.job j cross join lateral (
        select array_agg(array_position(v_ids, r.name || ':' || k.key) order by r.name) as places,
          array_agg(case when r.algorithm is not null then jobs.token_cost(j.args, r.cost) end order by r.name) as costs
        from jobs.limit_rule r cross join lateral (select jobs.gate_key(j.args, r.key) as key) k
        where (r.counts or r.algorithm is not null) and (r.queue is null or r.queue = p_queue) and (r.type is null or r.type = j.type) and k.key is not null) x
      where j.id = any(p_ids) and j.state = 'running' and j.session = p_session and j.started_at = now() and x.places is not null
      order by j.woken_at is null, j.priority desc, array_position(p_ids, j.id)
    loop
      -- Room that was kept for it is its own now, or nobody's.
      if c.woken then
        for i in 1 .. cardinality(c.places) loop
          if c.woken_at >= v_gates[c.places[i]].woken_at then
            v_gates[c.places[i]].woken := greatest(0, v_gates[c.places[i]].woken - 1);
          else
            v_gates[c.places[i]].woken_before := greatest(0, v_gates[c.places[i]].woken_before - 1);
          end if;
        end loop;
      end if;

      -- When all its gates let it through. A meter that is asked again for a later time answers that time or a later one.
      v_stop := null;
      v_permit := now();
      loop
        v_asked := v_permit;
        v_new := v_gates;
        for i in 1 .. cardinality(c.places) loop
          v_gate := v_gates[c.places[i]];
          v_rule := v_rules[c.places[i]];
          if v_gate.paused_until > now() or v_gate.waiting and not c.woken
             or v_rule.counts and v_gate.taken + (case when c.woken then 0 else v_gate.woken + v_gate.woken_before end) >= coalesce(v_gate.slots, v_rule.slots) then
            v_stop := c.places[i];
            exit;
          end if;
          if v_rule.algorithm is not null then
            select p.level, p.at, p.segments, p.permit into v_gate.level, v_gate.at, v_gate.segments, v_one
              from jobs.permit(v_rule.algorithm, coalesce(v_gate.amount, v_rule.amount), jobs.period_of(v_rule.algorithm, v_rule.period, v_gate.lent), jobs.burst_of(v_rule.algorithm, coalesce(v_gate.amount, v_rule.amount), v_rule.period, v_rule.burst, v_gate.lent), v_gate.level, v_gate.at, v_gate.segments, v_asked, c.costs[i]) p;
            v_permit := greatest(v_permit, v_one);
            if v_permit > v_until then
              v_stop := c.places[i];
              exit;
            end if;
          end if;
          v_gate.taken := v_gate.taken + v_rule.counts::integer;
          v_new[c.places[i]] := v_gate;
        end loop;
        exit when v_stop is not null or v_permit = v_asked;
      end loop;

      if v_stop is null then
        v_gates := v_new;
        if v_permit > now() then
          v_late := v_late || c.id;
          v_starts := v_starts || v_permit;
        end if;
      else
        v_gates[v_stop].waiting := true;
        v_refused := v_refused || c.id;
        v_by := v_by || v_ids[v_stop];
      end if;
    end loop;
    v_new := v_gates;
  end if;

  if v_rated or not v_fits then
    update jobs.gate g set taken = n.taken, seen = n.seen, waiting = n.waiting, woken = n.woken, woken_before = n.woken_before, level = n.level, at = n.at, segments = n.segments from unnest(v_new) n where g.id = n.id;
  end if;
  if v_refused <> '{}' then
    update jobs.gate_exit x set waiting = true where x.id = any(v_by) and not x.waiting;
    update jobs.job j set state = 'blocked', attempt = j.attempt - 1, session = null, slots = null, blocked_on = t.gate, woken_at = null, ticket_at = null,
      unique_key = coalesce(j.unique_was, j.unique_key), unique_was = null
    from unnest(v_refused, v_by) as t (id, gate) where j.id = any(array[t.id]) and j.state = 'running' and j.session = p_session and j.started_at = now();
    -- Those who wait for time to pass are fetched by the scheduler, which is told of the first one.
    if exists (select from unnest(v_new) n join jobs.limit_rule r on r.name = n.rule where n.id = any(v_by) and n.id = any(v_idle) and (r.algorithm is not null or n.paused_until > now())) then
      perform jobs.signal('gates');
    end if;
  end if;
  if v_late <> '{}' then
    update jobs.job j set started_at = t.start from unnest(v_late, v_starts) as t (id, start)
    where j.id = any(array[t.id]) and j.state = 'running' and j.session = p_session and j.started_at = now();
  end if;

  return query
  select 'blocked', r.id, null::text, 0::float8 from unnest(v_refused) as r (id)
  union all
  select 'late', t.id, null, extract(epoch from t.start - clock_timestamp())::float8 from unnest(v_late, v_starts) as t (id, start)
  union all
  select 'admit', null, n.id, 0 from unnest(v_new) n join jobs.limit_rule r on r.name = n.rule
  where n.waiting and r.counts and n.taken + n.woken + n.woken_before < coalesce(n.slots, r.slots);
end $$;
