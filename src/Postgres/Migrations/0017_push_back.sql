-- Push back: a handler was told by the other side (HTTP 429) to come back later. Who told whom is known by the rules of limits: the gates of that job start nothing until then.

-- X6 of attempts that were told to come back later, in so many seconds each; p_rules: the limit that it concerns, null: of those that know the job, the ones with a rate, or all if none has.
-- A rule that is named need not know the job: its handler may have called for others. The gates are paused for all who come, at most once for longer than they are already.
-- The job itself waits at the first of its gates, by priority and age like the others there, or for its own time if no rule says which gates. No attempt is used up.
-- Jobs are locked first, in the order of their ids, then gates in the order of theirs, as all that lock both do.
create function jobs.push_back(p_session uuid, p_ids uuid[], p_attempts integer[], p_delays float8[], p_rules text[], out written integer, out room text[], out unknown text[]) language plpgsql as $$
declare
  v_jobs   uuid[];    -- each with ...
  v_gates  text[];    -- ... one of its gates
  v_delays float8[];
  v_first  text[];    -- the gates at which they wait
begin
  perform jobs.share_limits();
  perform from unnest(p_ids, p_attempts) as t (id, attempt) join jobs.job j on j.id = t.id
    where j.state = 'running' and j.attempt = t.attempt and j.session = p_session order by j.id for update of j;

  with mine as materialized (
    select t.*, j.queue, j.type, j.args from unnest(p_ids, p_attempts, p_delays, p_rules) as t (id, attempt, delay, rule) join jobs.job j on j.id = t.id
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

  with freed as materialized (
    select s.gate collate "C" as gate, count(*)::integer as n
    from unnest(p_ids, p_attempts) as t (id, attempt) join jobs.job j on j.id = t.id cross join unnest(j.slots) as s (gate)
    where j.state = 'running' and j.attempt = t.attempt and j.session = p_session group by 1
  ), told as (
    select distinct on (t.gate) t.gate collate "C" as gate, t.delay, t.id from unnest(v_jobs, v_gates, v_delays) as t (id, gate, delay) order by t.gate, t.delay desc
  ), changed as (
    insert into jobs.gate as g (id, rule, waiting, paused_until, paused_by)
    select gate, split_part(gate, ':', 1), gate = any(v_first), now() + t.delay * interval '1 second', t.id from freed f full join told t using (gate) order by gate
    on conflict (id) do update set
      held = g.held - coalesce((select f.n from freed f where f.gate = g.id), 0),
      waiting = g.waiting or coalesce(excluded.waiting, false),
      paused_until = greatest(g.paused_until, excluded.paused_until),
      paused_by = case when excluded.paused_until > coalesce(g.paused_until, '-infinity') then excluded.paused_by else g.paused_by end
    returning g.id, g.waiting and coalesce(g.paused_until <= now(), true) as room
  )
  select array_agg(c.id) into room from changed c where c.room;

  update jobs.job j set
    state = case when f.gate is null then 'scheduled' else 'blocked' end::jobs.state, session = null, ticket_at = null, slots = null, woken_at = null, blocked_on = f.gate,
    due_at = case when f.gate is null then now() + t.delay * interval '1 second' end,
    events = case when jsonb_array_length(j.events) >= 100 then j.events #- '{20}' else coalesce(j.events, '[]') end
      || jsonb_strip_nulls(jsonb_build_object('at', now(), 'what', 'rateLimited', 'attempt', j.attempt, 'session', j.session, 'startedAt', j.started_at,
        'dueAt', coalesce((select g.paused_until from jobs.gate g where g.id = f.gate), now() + t.delay * interval '1 second'), 'reason', f.gates))
  from unnest(p_ids, p_attempts, p_delays) as t (id, attempt, delay)
    left join lateral (select min(g.gate collate "C") as gate, string_agg(g.gate, ', ' order by g.gate) as gates from unnest(v_jobs, v_gates) as g (id, gate) where g.id = t.id) f on true
  where j.id = t.id and j.state = 'running' and j.attempt = t.attempt and j.session = p_session;
  get diagnostics written = row_count;

  if v_gates is not null then
    perform jobs.signal('gates'); -- somebody waits for time to pass
  end if;
end $$;
