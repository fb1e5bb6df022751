-- Fair queues: their jobs are started in turn of the values of a key (say, of their tenants) and not in the order in which they were enqueued. Within a level of priority, strictly.
-- A ticket of a fair queue says "some job of this queue may be started", and the claim chooses which, by deficit round robin (Shreedhar and Varghese 1996) with a cost of one a job:
-- each value in turn is served as many jobs as its weight says. The index below is the ring: one descent finds the next value that has something waiting. See docs/FAIRNESS.md.

create table jobs.fair_queue (
  name   text        not null,
  key    text[],                                -- path into the arguments. Null: switched off, and what has a value still is served in turn
  set_at timestamptz not null default now(),
  passed boolean     not null default false,     -- what was seen to wait when it was set has its value; so has now ...
  filled boolean     not null default false,     -- ... what was being enqueued just then
  constraint fair_queue_pk primary key (name)
);

-- How many jobs a value is served in its turn; one, where there is no row.
create table jobs.fair_weight (
  queue  text             not null,
  value  text collate "C" not null,              -- as in jobs.job.fair
  weight integer          not null,
  constraint fair_weight_pk primary key (queue, value),
  constraint fair_weight_range check (weight between 1 and 1000)
);

-- Whose turn it is, in each level of a line of jobs: those that are queued in a fair queue (the line has its name), or those of such queues that are blocked on a gate of a limit (the line has its id,
-- which holds a colon, as no queue's name does). Changed once a statement, by whoever gets it without waiting.
create table jobs.fair_turn (
  line      text collate "C" not null,
  priority  smallint         not null,
  value     text collate "C" not null default '', -- was served last ...
  rest      integer          not null default 0,  -- ... and may be served so many more
  chosen    integer          not null default 0,  -- so many were chosen last, to be served next, ...
  width     integer          not null default 0,  -- ... of so many values ...
  chosen_at timestamptz      not null default '-infinity', -- ... then; good for 50 ms ...
  types     text[],                               -- ... and for claims of these types
  kept      integer          not null default 0,  -- so many of them are in fair_ahead, ...
  used      integer          not null default 0,  -- ... of which so many have been passed
  constraint fair_turn_pk primary key (line, priority)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- What was chosen and not needed at once, in the order of the turns: the next claims take that and need not walk the ring. Written under the lock of fair_turn. A hint: what has changed since then is skipped.
create table jobs.fair_ahead (
  line     text collate "C" not null,
  priority smallint         not null,
  ids      uuid[]           not null,
  places   tid[]            not null,             -- where their rows were; one that has moved is chosen again later
  rests    integer[],                             -- as fair_turn.rest, after each; null: no value has a weight
  constraint fair_ahead_pk primary key (line, priority)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table jobs.fair_ahead alter ids set storage external, alter places set storage external, alter rests set storage external;

-- Null: its queue was not fair when it was queued. Empty: its arguments have nothing at the key's path.
alter table jobs.job add column fair text collate "C";
-- No column here is changed by a claim. Those that run are read past; they are no more than there are slots.
create index job_fair on jobs.job (coalesce(blocked_on, queue), priority desc, fair, id) where fair is not null and (ticket_at is not null or blocked_on is not null);
-- Those that a gate holds back; of other queues by age.
drop index jobs.job_blocked;
create index job_blocked on jobs.job (blocked_on, (fair is null), priority desc, id) where blocked_on is not null;

-- The value of a job, null where the queue is not fair. Asked for only where some queue is.
create function jobs.fair_of(p_queue text, p_args json) returns text language sql stable as $$
  select coalesce(jobs.gate_key(p_args, f.key), '') from jobs.fair_queue f where f.name = p_queue and f.key is not null
$$;

-- About p_most jobs, and at least p_least, of one level of a line, fewer only if there are no more; of these types (null: any), of none of the queues p_paused and none of p_not, in the order in which they are to go on,
-- with what fair_turn.rest is after each (null: always zero). p_value and p_rest are those of fair_turn; p_width, and width for the next time, are how many values have something waiting there: a guess that saves time.
-- p_state is 'queued' in a queue, 'blocked' at a gate.
create function jobs.fair_order(p_line text, p_state jobs.state, p_priority smallint, p_types text[], p_paused text[], p_most integer, p_least integer, p_not uuid[], p_value text, p_rest integer, p_width integer,
  out ids uuid[], out places tid[], out rests integer[], out width integer) language plpgsql stable
  set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  v_from     text := case when p_rest > 0 then p_value else p_value || chr(1) end; -- chr(1): the next text after it
  v_weighted boolean := exists (select from jobs.fair_weight);
  v_each     integer := case when v_weighted then 1 else ceil(p_most::float8 / greatest(p_width, 1)) end;
  v_values   text[];
  v_weights  integer[];
  v_rounds   integer;
  v_more     boolean;
begin
  -- One walk along the ring, to its end and then from its beginning. It reads the first jobs of each value: so many that they are enough if there are p_width values, or as many as it has found so far.
  with recursive ahead as (
    select a.value, a.ids, a.places, cardinality(array_positions(a.fairs, a.value)) as found, v_each as most, 1 as i
    from (
      select (array_agg(q.fair))[1] as value, array_agg(q.fair) as fairs, array_agg(q.id) as ids, array_agg(q.place) as places from (
        select j.fair, j.id, j.ctid as place from jobs.job j
        where coalesce(j.blocked_on, j.queue) = p_line and j.priority = p_priority and j.fair >= v_from and (j.ticket_at is not null or j.blocked_on is not null)
          and j.state = p_state and (p_types is null or j.type = any(p_types)) and j.queue <> all(p_paused) and (j.expires_at is null or j.expires_at > now()) and j.id <> all(p_not)
        order by j.fair, j.id limit v_each) q) a
    where a.value is not null
    union all
    select a.value, a.ids, a.places, cardinality(array_positions(a.fairs, a.value)), k.most, r.i + 1
    from ahead r cross join lateral (select case when v_weighted then 1 else (p_most - 1) / greatest(p_width, r.i + 1) + 1 end as most) k cross join lateral (
      select (array_agg(q.fair))[1] as value, array_agg(q.fair) as fairs, array_agg(q.id) as ids, array_agg(q.place) as places from (
        select j.fair, j.id, j.ctid as place from jobs.job j
        where coalesce(j.blocked_on, j.queue) = p_line and j.priority = p_priority and j.fair > r.value and (j.ticket_at is not null or j.blocked_on is not null)
          and j.state = p_state and (p_types is null or j.type = any(p_types)) and j.queue <> all(p_paused) and (j.expires_at is null or j.expires_at > now()) and j.id <> all(p_not)
        order by j.fair, j.id limit k.most) q) a
    where a.value is not null and r.i < p_most
  ), behind as (
    select a.value, a.ids, a.places, cardinality(array_positions(a.fairs, a.value)) as found, k.most, k.i
    from (select k.i, case when v_weighted then 1 else (p_most - 1) / greatest(p_width, k.i) + 1 end as most from (select count(*)::integer + 1 as i from ahead) k) k
    cross join lateral (
      select (array_agg(q.fair))[1] as value, array_agg(q.fair) as fairs, array_agg(q.id) as ids, array_agg(q.place) as places from (
        select j.fair, j.id, j.ctid as place from jobs.job j
        where coalesce(j.blocked_on, j.queue) = p_line and j.priority = p_priority and j.fair < v_from and k.i <= p_most and (j.ticket_at is not null or j.blocked_on is not null)
          and j.state = p_state and (p_types is null or j.type = any(p_types)) and j.queue <> all(p_paused) and (j.expires_at is null or j.expires_at > now()) and j.id <> all(p_not)
        order by j.fair, j.id limit k.most) q) a
    where a.value is not null
    union all
    select a.value, a.ids, a.places, cardinality(array_positions(a.fairs, a.value)), k.most, r.i + 1
    from behind r cross join lateral (select case when v_weighted then 1 else (p_most - 1) / greatest(p_width, r.i + 1) + 1 end as most) k cross join lateral (
      select (array_agg(q.fair))[1] as value, array_agg(q.fair) as fairs, array_agg(q.id) as ids, array_agg(q.place) as places from (
        select j.fair, j.id, j.ctid as place from jobs.job j
        where coalesce(j.blocked_on, j.queue) = p_line and j.priority = p_priority and j.fair > r.value and j.fair < v_from and (j.ticket_at is not null or j.blocked_on is not null)
          and j.state = p_state and (p_types is null or j.type = any(p_types)) and j.queue <> all(p_paused) and (j.expires_at is null or j.expires_at > now()) and j.id <> all(p_not)
        order by j.fair, j.id limit k.most) q) a
    where a.value is not null and r.i < p_most
  ), ring as materialized (
    select * from ahead union all select * from behind
  )
  select (select array_agg(r.value) from ring r), array_agg(c.id), array_agg(c.place), (select bool_or(r.found = r.most) from ring r) into v_values, ids, places, v_more
    from (
      select x.id, x.place from generate_series(1, (select coalesce(min(r.most) filter (where r.found = r.most), v_each) from ring r)) n -- rounds of which all is known
      cross join lateral (select r.ids[n] as id, r.places[n] as place from ring r where n <= r.found offset 0) x -- aggregated in this order
      limit p_most) c;
  width := cardinality(v_values);
  if width is null or not v_weighted and (cardinality(ids) >= p_least or not v_more) then
    return;
  end if;

  -- So many rounds are enough unless some values have fewer jobs than that; then what is missing comes from the others.
  if v_weighted then
    select array_agg(coalesce(case when p_state = 'queued' then (select w.weight from jobs.fair_weight w where w.queue = p_line and w.value = t.value)
        else (select max(w.weight) from jobs.fair_weight w where w.value = t.value) end, 1) order by t.n) -- a gate may hold back jobs of several queues
      into v_weights from unnest(v_values) with ordinality as t (value, n);
  else
    v_weights := array_fill(1, array[width]);
  end if;
  v_rounds := ceil(p_most::float8 / (select sum(w) from unnest(v_weights) w));
  loop
    select array_agg(c.id), array_agg(c.place), array_agg(c.rest), bool_or(c.found = c.most) into ids, places, rests, v_more
      from (
        select x.id, x.place, f.found, k.most,
          case when x.n = f.found and f.found < k.most then 0 else (k.weight - (x.n + k.used) % k.weight) % k.weight end as rest
        from (select u.value, u.i, u.weight, u.used, least(p_most + 1, u.weight * v_rounds - u.used) as most
              from (select t.value, t.i, t.weight, case when t.i = 1 and p_rest > 0 and t.value = v_from then greatest(0, t.weight - p_rest) else 0 end as used
                    from unnest(v_values, v_weights) with ordinality as t (value, weight, i)) u) k
        cross join lateral (
          select array_agg(q.id) as ids, array_agg(q.place) as places, count(*)::integer as found from (
            select j.id, j.ctid as place from jobs.job j
            where coalesce(j.blocked_on, j.queue) = p_line and j.priority = p_priority and j.fair = k.value and (j.ticket_at is not null or j.blocked_on is not null)
              and j.state = p_state and (p_types is null or j.type = any(p_types)) and j.queue <> all(p_paused) and (j.expires_at is null or j.expires_at > now()) and j.id <> all(p_not)
            order by j.id limit k.most) q) f
        cross join lateral unnest(f.ids, f.places) with ordinality as x (id, place, n)
        order by (x.n + k.used - 1) / k.weight, k.i, x.n limit p_most) c; -- aggregated in this order
    exit when cardinality(ids) >= p_most or not v_more;
    v_rounds := v_rounds * 2;
  end loop;
end $$;

-- Up to p_most jobs of a line that wait, locked, in the order in which they are to go on: the highest level first. What somebody else holds is skipped, so nobody waits here for anybody.
-- Of several claims at one moment one moves the turn on. The others begin where it stands.
-- In a queue whoever moves it chooses ahead: as many as were served in the last 50 ms, as far as that is known, and 1,024 at most. So a choice is used for at most 50 ms, and at most as much is chosen for nothing as is served.
create function jobs.take_fair(p_line text, p_state jobs.state, p_types text[], p_paused text[], p_most integer, out ids uuid[], out dispatches integer[], out places tid[]) language plpgsql
  set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_below  smallint := 32;
  v_level  smallint;
  v_turn   jobs.fair_turn;
  v_mine   boolean;
  v_ahead  jobs.fair_ahead;
  v_length integer;         -- of v_ahead
  v_choose integer;         -- how many to choose, when it is used up
  v_chosen boolean;         -- that has been done
  v_missed boolean;         -- somebody else held some of them
  v_tried  uuid[];
  v_want   integer;
  v_got    uuid[];
  v_under  integer[];
  v_at     tid[];
  v_value  text;
  v_last   integer;
  v_moved  uuid[];
  v_next   integer;
begin
  ids := '{}';
  dispatches := '{}';
  places := '{}';
  while cardinality(ids) < p_most loop
    select j.priority into v_level from jobs.job j
    where coalesce(j.blocked_on, j.queue) = p_line and j.fair is not null and (j.ticket_at is not null or j.blocked_on is not null) and j.priority < v_below
      and j.state = p_state and (p_types is null or j.type = any(p_types)) and j.queue <> all(p_paused) and (j.expires_at is null or j.expires_at > now())
    order by j.priority desc, j.fair, j.id limit 1;
    exit when not found;
    v_below := v_level;
    select t.* into v_turn from jobs.fair_turn t where t.line = p_line and t.priority = v_level for update skip locked;
    v_mine := found;
    if not v_mine then
      select t.* into v_turn from jobs.fair_turn t where t.line = p_line and t.priority = v_level;
      if not found and p_state = 'blocked' then -- under the lock of the gate; a queue has its rows from set_fairness, because two claims would wait for each other here
        insert into jobs.fair_turn (line, priority) values (p_line, v_level) on conflict do nothing;
        v_mine := found;
      end if;
    end if;
    v_turn.value := coalesce(v_turn.value, '');
    v_turn.rest := coalesce(v_turn.rest, 0);

    v_ahead := null;
    v_length := 0;
    v_choose := 0;
    if p_state = 'queued' and v_turn.chosen_at > now() - interval '50 ms' and v_turn.types = p_types then
      v_choose := least(2 * v_turn.chosen, 1024);
      if v_turn.used < v_turn.kept then
        select a.* into v_ahead from jobs.fair_ahead a where a.line = p_line and a.priority = v_level;
        v_length := v_turn.kept;
      end if;
    elsif p_state = 'queued' then
      v_choose := v_turn.chosen - v_turn.kept + v_turn.used;
    end if;
    v_chosen := false;
    v_missed := false;
    v_tried := '{}';
    loop
      v_want := p_most - cardinality(ids);
      exit when v_want = 0;
      if v_length = 0 or v_turn.used >= v_length then
        exit when v_chosen and not v_missed;
        if v_chosen then
          v_tried := v_tried || v_ahead.ids;
        end if;
        select o.ids, o.places, o.rests, o.width into v_ahead.ids, v_ahead.places, v_ahead.rests, v_turn.width
          from jobs.fair_order(p_line, p_state, v_level, p_types, p_paused, case when v_mine then greatest(v_want, v_choose) else v_want end, v_want, ids || v_tried, v_turn.value, v_turn.rest, v_turn.width) o;
        v_length := coalesce(cardinality(v_ahead.ids), 0);
        v_turn.used := 0;
        v_chosen := true;
        v_missed := false;
        exit when v_length = 0;
      end if;
      v_want := least(v_want, v_length - v_turn.used);
      select coalesce(array_agg(l.id), '{}'), array_agg(l.dispatch), array_agg(l.place), (array_agg(l.fair))[count(*)], max(l.n) into v_got, v_under, v_at, v_value, v_last from (
        select j.id, j.dispatch, j.place, j.fair, t.n
        from unnest(v_ahead.ids[v_turn.used + 1:v_turn.used + v_want], v_ahead.places[v_turn.used + 1:v_turn.used + v_want]) with ordinality as t (id, place, n) cross join lateral (
          select j.id, j.dispatch, j.ctid as place, j.fair from jobs.job j
          where j.ctid = t.place and j.id = t.id and j.state = p_state and coalesce(j.blocked_on, j.queue) = p_line and j.priority = v_level and j.fair is not null and (p_types is null or j.type = any(p_types))
            and (j.expires_at is null or j.expires_at > now()) for update skip locked) j) l; -- one after the other, so aggregated in their order whatever the planner thinks
      if v_last is not null then
        ids := ids || v_got;
        dispatches := dispatches || v_under;
        places := places || v_at;
        v_turn.value := v_value;
        v_turn.rest := coalesce(v_ahead.rests[v_turn.used + v_last], 0);
      end if;
      if v_chosen and cardinality(v_got) < v_want then -- what has moved since it was chosen (somebody waits for its end, say), and is not held
        select coalesce(array_agg(l.id), '{}'), array_agg(l.dispatch), array_agg(l.place), (array_agg(l.fair))[count(*)], max(l.n) into v_moved, v_under, v_at, v_value, v_next from (
          select j.id, j.dispatch, j.place, j.fair, t.n
          from unnest(v_ahead.ids[v_turn.used + 1:v_turn.used + v_want]) with ordinality as t (id, n) cross join lateral (
            select j.id, j.dispatch, j.ctid as place, j.fair from jobs.job j
            where j.id = t.id and j.state = p_state and coalesce(j.blocked_on, j.queue) = p_line and j.priority = v_level and j.fair is not null and (p_types is null or j.type = any(p_types))
              and (j.expires_at is null or j.expires_at > now()) for update skip locked) j where t.id <> all(v_got)) l;
        if v_next is not null then
          v_got := v_got || v_moved;
          ids := ids || v_moved;
          dispatches := dispatches || v_under;
          places := places || v_at;
          if v_next > coalesce(v_last, 0) then
            v_turn.value := v_value;
            v_turn.rest := coalesce(v_ahead.rests[v_turn.used + v_next], 0);
          end if;
        end if;
      end if;
      v_turn.used := v_turn.used + v_want;
      v_missed := v_missed or cardinality(v_got) < v_want; -- others were quicker: what comes after
    end loop;

    if v_mine and p_state = 'queued' and v_chosen then
      if v_turn.used < v_length then
        insert into jobs.fair_ahead as a (line, priority, ids, places, rests)
        values (p_line, v_level, v_ahead.ids[v_turn.used + 1:], v_ahead.places[v_turn.used + 1:], v_ahead.rests[v_turn.used + 1:])
        on conflict (line, priority) do update set ids = excluded.ids, places = excluded.places, rests = excluded.rests;
      end if;
      update jobs.fair_turn t set value = v_turn.value, rest = v_turn.rest, chosen = v_length, width = coalesce(v_turn.width, 0), chosen_at = now(), types = p_types, kept = v_length - v_turn.used, used = 0
      where t.line = p_line and t.priority = v_level;
    elsif v_mine then
      update jobs.fair_turn t set value = v_turn.value, rest = v_turn.rest, used = v_turn.used, width = coalesce(v_turn.width, 0) where t.line = p_line and t.priority = v_level;
    end if;
  end loop;
end $$;

-- What a claim with these tickets is to take instead. As their tickets say: what was admitted by a limit, because it had its turn before, and what has no value. Where that is not to be expected
-- (p_named is false) it is looked for only if nothing else is left: an enqueue that was under way when the queue became fair.
create function jobs.choose_fair(p_session uuid, p_queue text, p_types text[], p_named boolean, inout ids uuid[], inout dispatches integer[], out places tid[]) language plpgsql
  set enable_seqscan = off as $$
declare
  v_tickets uuid[] := ids;
  v_under   integer[] := dispatches;
  v_most    integer := cardinality(ids);
  v_ids     uuid[];
  v_of      integer[];
  v_at      tid[];
begin
  -- An earlier claim of this session, whose answer was lost, has been committed or not when this goes on: it waits for no row of it.
  perform pg_advisory_xact_lock(hashtextextended('jobs.fair ' || p_session || p_queue, 0));
  ids := '{}';
  dispatches := '{}';
  places := '{}';
  for part in 1 .. 2 loop
    if p_named or part = 2 and cardinality(ids) < v_most then
      select coalesce(array_agg(l.id), '{}'), coalesce(array_agg(l.dispatch), '{}'), coalesce(array_agg(l.place), '{}') into v_ids, v_of, v_at from (
        select j.id, j.dispatch, j.ctid as place from unnest(v_tickets, v_under) as t (id, dispatch) join jobs.job j on j.id = any(array[t.id])
        where j.state = 'queued' and j.dispatch = t.dispatch and j.queue = p_queue and j.type = any(p_types) and (j.fair is null or j.woken_at is not null) and j.id <> all(choose_fair.ids)
          and (j.expires_at is null or j.expires_at > now())
        order by j.priority desc, j.id limit v_most - cardinality(choose_fair.ids) for update of j skip locked) l;
      ids := ids || v_ids;
      dispatches := dispatches || v_of;
      places := places || v_at;
    end if;
    if part = 1 then
      select f.ids, f.dispatches, f.places into v_ids, v_of, v_at from jobs.take_fair(p_queue, 'queued', p_types, '{}', v_most - cardinality(choose_fair.ids)) f;
      ids := ids || v_ids;
      dispatches := dispatches || v_of;
      places := places || v_at;
    end if;
  end loop;
end $$;

-- Whether jobs are blocked on a gate.
create function jobs.is_awaited(p_gate text) returns boolean language plpgsql stable
  set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
begin
  return exists (select from jobs.job j where j.blocked_on = p_gate);
end $$;

-- Up to p_most of the jobs that are blocked on a gate, locked: those of fair queues in turn, the others by age, and by priority all of them; where there are both, they are merged by age. Not those of paused queues.
-- Along the index, whatever the statistics say: a sort reads all that are blocked.
create function jobs.next_blocked(p_gate text, p_most integer) returns setof uuid language plpgsql
  set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
  v_paused text[] := array(select q.name from jobs.queue q where q.paused_at is not null and (q.paused_until is null or q.paused_until > now()));
  v_turns  uuid[];
begin
  if not exists (select from jobs.job j where coalesce(j.blocked_on, j.queue) = p_gate and j.fair is not null and (j.ticket_at is not null or j.blocked_on is not null)) then
    return query select j.id from jobs.job j where j.blocked_on = p_gate and j.fair is null and j.queue <> all(v_paused) order by j.priority desc, j.id limit p_most for update skip locked;
    return;
  end if;
  select f.ids into v_turns from jobs.take_fair(p_gate, 'blocked', null, v_paused, p_most) f;
  return query
  with by_age as materialized (
    select j.id, j.priority from jobs.job j where j.blocked_on = p_gate and j.fair is null and j.queue <> all(v_paused) order by j.priority desc, j.id limit p_most for update skip locked
  ), both_kinds as (
    select a.id, a.priority, a.id::text as age from by_age a
    union all
    select j.id, j.priority, max(j.id::text) over (partition by j.priority order by t.n) from unnest(v_turns) with ordinality as t (id, n) join jobs.job j on j.id = any(array[t.id])
  )
  select b.id from both_kinds b order by b.priority desc, b.age limit p_most;
end $$;

-- From the commit on new jobs of the queue have a value; fill_fair gives the others theirs. Null: from the commit on they have none, and those that have one are served in turn until none is left.
create function jobs.set_fairness(p_queue text, p_key text[]) returns timestamptz language plpgsql as $$
begin
  if p_key is null then
    update jobs.fair_queue f set key = null, set_at = now(), passed = true, filled = true where f.name = p_queue;
    return now();
  end if;
  insert into jobs.fair_queue (name, key) values (p_queue, p_key)
  on conflict (name) do update set key = excluded.key, set_at = excluded.set_at,
    passed = fair_queue.key is not distinct from excluded.key and fair_queue.passed, filled = fair_queue.key is not distinct from excluded.key and fair_queue.filled;
  insert into jobs.fair_turn (line, priority) select p_queue, n from generate_series(0, 31) n on conflict do nothing;
  return now();
end $$;

-- Of the next p_most live jobs above p_above those that wait in a fair queue are given their value. The last one looked at; null: there are no more.
create function jobs.fill_fair(p_queue text, p_above uuid, p_most integer) returns uuid language plpgsql set enable_seqscan = off as $$
declare
  v_page uuid[];
begin
  select array_agg(p.id order by p.id) into v_page from (select j.id from jobs.job j where j.id > p_above order by j.id limit p_most) p;
  with mine as materialized (
    select j.id, jobs.fair_of(j.queue, j.args) as fair from jobs.job j
    where j.id = any(v_page) and j.queue = p_queue and j.state <> 'running' and j.fair is distinct from jobs.fair_of(j.queue, j.args)
    order by j.id for update
  )
  update jobs.job j set fair = m.fair from mine m where j.id = any(array[m.id]) and j.queue = p_queue and j.state <> 'running';
  return v_page[cardinality(v_page)];
end $$;

-- Queues that were switched off and have nothing left that has a value: forgotten.
create function jobs.forget_fair() returns integer language plpgsql as $$
declare
  v_gone text[];
begin
  with gone as (
    delete from jobs.fair_queue f
    where f.key is null and not exists (select from jobs.job j where coalesce(j.blocked_on, j.queue) = f.name and j.fair is not null and (j.ticket_at is not null or j.blocked_on is not null) and j.state = 'queued')
    returning f.name
  )
  select array_agg(g.name) into v_gone from gone g;
  delete from jobs.fair_turn t where t.line = any(v_gone);
  delete from jobs.fair_ahead a where a.line = any(v_gone);
  delete from jobs.fair_weight w where w.queue = any(v_gone);
  return coalesce(cardinality(v_gone), 0);
end $$;
