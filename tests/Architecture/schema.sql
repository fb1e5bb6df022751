-- What the migrations make, read from the catalogs; the dated partitions are left out. Not a script to run.
type state is enum ('pending', 'scheduled', 'queued', 'blocked', 'running', 'succeeded', 'failed', 'cancelled', 'expired')
table batch
  id uuid not null
  created_at timestamp with time zone not null default now()
  sealed_at timestamp with time zone
  failed_at timestamp with time zone
  completed_at timestamp with time zone
  succeeded bigint
  failed bigint
  on_success jsonb
  on_failure jsonb
  on_completion jsonb
  constraint batch_pk PRIMARY KEY (id)
  CREATE INDEX batch_open ON jobs.batch USING btree (id) WHERE (completed_at IS NULL)
table branch_fence
  key text not null
  fence bigint not null
  at timestamp with time zone not null default now()
  constraint branch_fence_pkey PRIMARY KEY (key)
table cancel_request
  job uuid not null
  session uuid not null
  requested_at timestamp with time zone not null default clock_timestamp()
  by text
  reason text
  constraint cancel_request_pk PRIMARY KEY (job)
table edge
  child uuid not null
  parent uuid not null
  effect text not null
  held_at timestamp with time zone
  constraint edge_effect CHECK ((effect = ANY (ARRAY['cancel'::text, 'run'::text, 'hold'::text])))
  constraint edge_pk PRIMARY KEY (child, parent)
  CREATE INDEX edge_parent ON jobs.edge USING btree (parent) WHERE (held_at IS NULL)
table fair_ahead with (autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500)
  line text not null
  priority smallint not null
  ids uuid[] not null
  places tid[] not null
  rests integer[]
  constraint fair_ahead_pk PRIMARY KEY (line, priority)
table fair_queue
  name text not null
  key text[]
  set_at timestamp with time zone not null default now()
  passed boolean not null default false
  filled boolean not null default false
  constraint fair_queue_pk PRIMARY KEY (name)
table fair_turn with (autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000, fillfactor=50)
  line text not null
  priority smallint not null
  value text not null default ''::text
  rest integer not null default 0
  chosen integer not null default 0
  width integer not null default 0
  chosen_at timestamp with time zone not null default '-infinity'::timestamp with time zone
  types text[]
  kept integer not null default 0
  used integer not null default 0
  constraint fair_turn_pk PRIMARY KEY (line, priority)
table fair_weight
  queue text not null
  value text not null
  weight integer not null
  constraint fair_weight_pk PRIMARY KEY (queue, value)
  constraint fair_weight_range CHECK (((weight >= 1) AND (weight <= 1000)))
table finding
  name text not null
  value bigint not null
  oldest timestamp with time zone
  detail text
  at timestamp with time zone not null
  constraint finding_pk PRIMARY KEY (name)
table gate with (autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=20000, fillfactor=50)
  id text not null
  rule text not null
  slots integer
  amount double precision
  taken bigint not null default 0
  seen bigint not null default 0
  waiting boolean not null default false
  woken integer not null default 0
  woken_before integer not null default 0
  woken_at timestamp with time zone
  paused_until timestamp with time zone
  paused_by uuid
  level double precision not null default 0
  at timestamp with time zone
  segments real[]
  lent double precision not null default 0
  constraint gate_pk PRIMARY KEY (id)
  CREATE INDEX gate_rule ON jobs.gate USING btree (rule)
  CREATE INDEX gate_waiting ON jobs.gate USING btree (id) WHERE waiting
table gate_exit with (autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=20000, fillfactor=50)
  id text not null
  freed bigint not null default 0
  waiting boolean not null default false
  constraint gate_exit_pk PRIMARY KEY (id)
table held_key
  key text not null
  job uuid not null
  until timestamp with time zone not null
  constraint held_key_pk PRIMARY KEY (key)
  CREATE INDEX held_key_until ON jobs.held_key USING btree (until)
table history partition by LIST (state)
  id uuid not null
  enqueued_at timestamp with time zone not null
  started_at timestamp with time zone
  ended_at timestamp with time zone not null
  session uuid
  state jobs.state not null
  attempt integer not null
  failures smallint not null
  crashes smallint not null
  priority smallint not null
  queue text not null
  type text not null
  args json not null
  result json
  errors jsonb
  batch uuid
  after uuid[]
  origin text
  trace text
  tags text[]
  meta jsonb
  retry_of uuid
  retried_as uuid
  events jsonb
  timeout real
  CREATE INDEX history_batch ON ONLY jobs.history USING btree (batch, id) WHERE (batch IS NOT NULL)
  CREATE INDEX history_ended ON ONLY jobs.history USING brin (ended_at) WITH (pages_per_range='16', autosummarize='on')
  CREATE INDEX history_id ON ONLY jobs.history USING btree (id)
  CREATE INDEX history_tags ON ONLY jobs.history USING gin (tags) WHERE (tags IS NOT NULL)
table history_other partition of history FOR VALUES IN ('failed', 'cancelled', 'expired') partition by RANGE (ended_at)
  id uuid not null
  enqueued_at timestamp with time zone not null
  started_at timestamp with time zone
  ended_at timestamp with time zone not null
  session uuid
  state jobs.state not null
  attempt integer not null
  failures smallint not null
  crashes smallint not null
  priority smallint not null
  queue text not null
  type text not null
  args json not null
  result json
  errors jsonb
  batch uuid
  after uuid[]
  origin text
  trace text
  tags text[]
  meta jsonb
  retry_of uuid
  retried_as uuid
  events jsonb
  timeout real
  CREATE INDEX history_other_batch_id_idx ON ONLY jobs.history_other USING btree (batch, id) WHERE (batch IS NOT NULL)
  CREATE INDEX history_other_ended_at_idx ON ONLY jobs.history_other USING brin (ended_at) WITH (pages_per_range='16', autosummarize='on')
  CREATE INDEX history_other_id_idx ON ONLY jobs.history_other USING btree (id)
  CREATE INDEX history_other_queue ON ONLY jobs.history_other USING btree (queue, id)
  CREATE INDEX history_other_state ON ONLY jobs.history_other USING btree (state, id)
  CREATE INDEX history_other_tags_idx ON ONLY jobs.history_other USING gin (tags) WHERE (tags IS NOT NULL)
  CREATE INDEX history_other_type ON ONLY jobs.history_other USING btree (type, id)
table history_succeeded partition of history FOR VALUES IN ('succeeded') partition by RANGE (ended_at)
  id uuid not null
  enqueued_at timestamp with time zone not null
  started_at timestamp with time zone
  ended_at timestamp with time zone not null
  session uuid
  state jobs.state not null
  attempt integer not null
  failures smallint not null
  crashes smallint not null
  priority smallint not null
  queue text not null
  type text not null
  args json not null
  result json
  errors jsonb
  batch uuid
  after uuid[]
  origin text
  trace text
  tags text[]
  meta jsonb
  retry_of uuid
  retried_as uuid
  events jsonb
  timeout real
  CREATE INDEX history_succeeded_batch_id_idx ON ONLY jobs.history_succeeded USING btree (batch, id) WHERE (batch IS NOT NULL)
  CREATE INDEX history_succeeded_ended_at_idx ON ONLY jobs.history_succeeded USING brin (ended_at) WITH (pages_per_range='16', autosummarize='on')
  CREATE INDEX history_succeeded_id_idx ON ONLY jobs.history_succeeded USING btree (id)
  CREATE INDEX history_succeeded_tags_idx ON ONLY jobs.history_succeeded USING gin (tags) WHERE (tags IS NOT NULL)
table hold
  id uuid not null
  gate text not null
  session uuid not null
  n integer not null
  since timestamp with time zone not null default now()
  constraint hold_n CHECK ((n > 0))
  constraint hold_pk PRIMARY KEY (id)
  CREATE INDEX hold_session ON jobs.hold USING btree (session)
table job with (autovacuum_analyze_scale_factor=0, autovacuum_analyze_threshold=50000, autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_insert_scale_factor=0.2, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=20000, fillfactor=50)
  id uuid not null
  enqueued_at timestamp with time zone not null default now()
  due_at timestamp with time zone
  ticket_at timestamp with time zone
  started_at timestamp with time zone
  session uuid
  state jobs.state not null
  dispatch integer not null default 1
  attempt integer not null default 0
  failures smallint not null default 0
  crashes smallint not null default 0
  priority smallint not null
  queue text not null
  type text not null
  args json not null
  errors jsonb
  expires_at timestamp with time zone
  timeout real
  unique_key text
  unique_waiting boolean
  batch uuid
  after uuid[]
  waits integer
  followed boolean
  origin text default ('sql '::text || COALESCE(NULLIF(current_setting('application_name'::text, true), ''::text), (SESSION_USER)::text))
  trace text
  tags text[]
  meta jsonb
  retry_of uuid
  events jsonb
  slots text[]
  blocked_on text
  unique_was text
  woken_at timestamp with time zone
  fair text
  constraint job_pk PRIMARY KEY (id)
  constraint job_priority CHECK (((priority >= 0) AND (priority <= 31)))
  CREATE INDEX job_batch ON jobs.job USING btree (batch, id) WHERE (batch IS NOT NULL)
  CREATE INDEX job_blocked ON jobs.job USING btree (blocked_on, ((fair IS NULL)), priority DESC, id) WHERE (blocked_on IS NOT NULL)
  CREATE INDEX job_due ON jobs.job USING btree (due_at) WHERE (due_at IS NOT NULL)
  CREATE INDEX job_expires ON jobs.job USING btree (expires_at) WHERE (expires_at IS NOT NULL)
  CREATE INDEX job_fair ON jobs.job USING btree (COALESCE(blocked_on, queue), priority DESC, fair, id) WHERE ((fair IS NOT NULL) AND ((ticket_at IS NOT NULL) OR (blocked_on IS NOT NULL)))
  CREATE INDEX job_tags ON jobs.job USING gin (tags) WHERE (tags IS NOT NULL)
  CREATE INDEX job_ticket ON jobs.job USING btree (queue, ticket_at) WHERE (ticket_at IS NOT NULL)
  CREATE UNIQUE INDEX job_unique ON jobs.job USING btree (unique_key) WHERE (unique_key IS NOT NULL)
table leader
  name text not null
  session uuid not null
  epoch bigint not null
  until timestamp with time zone not null
  constraint leader_pk PRIMARY KEY (name)
table limit_rule
  name text not null
  queue text
  type text
  key text[]
  slots integer
  counts boolean not null
  algorithm text
  amount double precision
  period double precision
  burst double precision
  cost text[]
  origin text not null
  set_at timestamp with time zone not null default now()
  by text
  reason text
  constraint limit_rule_algorithm CHECK ((algorithm = ANY (ARRAY['token'::text, 'leaky'::text, 'fixed'::text, 'sliding'::text])))
  constraint limit_rule_pk PRIMARY KEY (name)
  constraint limit_rule_rate CHECK (((algorithm IS NULL) OR ((amount > (0)::double precision) AND (period > (0)::double precision) AND (burst > (0)::double precision))))
  constraint limit_rule_scope CHECK (((queue IS NOT NULL) OR (type IS NOT NULL) OR (key IS NOT NULL)))
  constraint limit_rule_slots CHECK ((slots >= 0))
table log partition by RANGE (at)
  job uuid not null
  attempt integer not null
  seq integer not null
  at timestamp with time zone not null default now()
  lines json not null
  CREATE INDEX log_job ON ONLY jobs.log USING btree (job, attempt, seq)
table migration
  version integer not null
  name text not null
  applied_at timestamp with time zone not null default now()
  constraint migration_pkey PRIMARY KEY (version)
table occurrence
  schedule text not null
  at timestamp with time zone not null
  until timestamp with time zone
  count integer not null default 1
  job uuid
  reason text
  recorded_at timestamp with time zone not null default now()
  constraint occurrence_pk PRIMARY KEY (schedule, at)
  constraint occurrence_skipped CHECK (((job IS NOT NULL) OR (reason IS NOT NULL)))
  CREATE INDEX occurrence_recorded ON jobs.occurrence USING btree (recorded_at)
table past_session
  id uuid not null
  host text not null
  process_id integer not null
  roles text[] not null
  queues jsonb not null
  types text[] not null
  started_at timestamp with time zone not null
  ended_at timestamp with time zone not null default now()
  ending text not null
  refused bigint not null
  refused_at timestamp with time zone
  constraint past_session_ending CHECK ((ending = ANY (ARRAY['closed'::text, 'lost'::text])))
  constraint past_session_pk PRIMARY KEY (id)
  CREATE INDEX past_session_ended ON jobs.past_session USING btree (ended_at)
table progress with (fillfactor=70)
  job uuid not null
  attempt integer not null
  done bigint not null
  total bigint
  note text
  at timestamp with time zone not null default now()
  constraint progress_pk PRIMARY KEY (job)
table queue
  name text not null
  marker_at timestamp with time zone
  swept_to timestamp with time zone
  swept_at timestamp with time zone
  paused_at timestamp with time zone
  paused_until timestamp with time zone
  paused_by text
  pause_reason text
  ageing_seconds integer
  constraint queue_ageing CHECK ((ageing_seconds > 0))
  constraint queue_pk PRIMARY KEY (name)
table redrive
  id uuid not null
  created_at timestamp with time zone not null default now()
  by text not null
  reason text
  rate double precision
  undone_at timestamp with time zone
  undone_by text
  constraint redrive_pk PRIMARY KEY (id)
table schedule with (autovacuum_vacuum_cost_delay=0, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000)
  name text not null
  cron text
  every_seconds bigint
  zone text not null
  type text not null
  queue text not null
  priority smallint not null
  args json not null
  ties jsonb
  starts_at timestamp with time zone
  ends_at timestamp with time zone
  excluded text[] not null default '{}'::text[]
  on_missing text
  on_repeated text
  catch_up integer not null
  overlap text not null
  created_at timestamp with time zone not null default now()
  changed_at timestamp with time zone not null default now()
  paused_at timestamp with time zone
  paused_by text
  resumed_at timestamp with time zone
  recorded_to timestamp with time zone not null default now()
  next_at timestamp with time zone
  last_job uuid
  constraint schedule_pk PRIMARY KEY (name)
  constraint schedule_priority CHECK (((priority >= 0) AND (priority <= 31)))
  constraint schedule_when CHECK (((cron IS NULL) <> (every_seconds IS NULL)))
  CREATE INDEX schedule_next ON jobs.schedule USING btree (next_at) WHERE (next_at IS NOT NULL)
table session
  id uuid not null
  lock_key bigint
  started_at timestamp with time zone not null default now()
  heartbeat_at timestamp with time zone not null default now()
  running integer not null default 0
  process_id integer not null
  host text not null
  roles text[] not null
  queues jsonb not null
  types text[] not null
  abandoned integer not null default 0
  drain_at timestamp with time zone
  drain_by text
  drain_reason text
  refused bigint not null default 0
  refused_at timestamp with time zone
  slots jsonb
  constraint session_pk PRIMARY KEY (id)
table setting
  one boolean not null default true
  max_argument_bytes integer not null default 262144
  constraint setting_max_argument_bytes CHECK (((max_argument_bytes >= 1) AND (max_argument_bytes <= 1048576)))
  constraint setting_one CHECK (one)
  constraint setting_pk PRIMARY KEY (one)
table tally
  what text not null
  at timestamp with time zone not null
  n bigint not null
  constraint tally_pk PRIMARY KEY (what, at)
table throughput
  queue text not null
  state jobs.state not null
  at timestamp with time zone not null
  n bigint not null
  wait_seconds double precision not null
  run_seconds double precision not null
  constraint throughput_pk PRIMARY KEY (at, queue, state)
table transaction
  id uuid not null
  name text not null
  mode text not null
  state text not null
  priority smallint not null
  created_at timestamp with time zone not null default now()
  deadline_at timestamp with time zone not null
  decided_at timestamp with time zone
  ended_at timestamp with time zone
  reason text
  trace text
  watch uuid
  constraint transaction_mode_check CHECK ((mode = ANY (ARRAY['twoPhase'::text, 'saga'::text])))
  constraint transaction_pkey PRIMARY KEY (id)
  constraint transaction_state_check CHECK ((state = ANY (ARRAY['running'::text, 'committing'::text, 'aborting'::text, 'committed'::text, 'aborted'::text, 'parked'::text])))
  CREATE INDEX transaction_ended ON jobs.transaction USING btree (ended_at) WHERE (ended_at IS NOT NULL)
  CREATE INDEX transaction_live ON jobs.transaction USING btree (created_at) WHERE (ended_at IS NULL)
table transaction_branch
  transaction_id uuid not null
  number integer not null
  stage integer not null
  kind text not null
  queue text not null
  args json not null
  compensated boolean not null
  max_attempts integer
  park_after integer
  state text not null
  round integer not null default 0
  verb text
  job uuid
  after uuid
  answered integer
  reason text
  asked_at timestamp with time zone
  voted_at timestamp with time zone
  ended_at timestamp with time zone
  constraint transaction_branch_pkey PRIMARY KEY (transaction_id, number)
  constraint transaction_branch_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'preparing'::text, 'prepared'::text, 'refused'::text, 'committing'::text, 'committed'::text, 'aborting'::text, 'aborted'::text, 'parked'::text])))
  constraint transaction_branch_transaction_id_fkey FOREIGN KEY (transaction_id) REFERENCES jobs.transaction(id) ON DELETE CASCADE
  constraint transaction_branch_verb_check CHECK ((verb = ANY (ARRAY['prepare'::text, 'commit'::text, 'abort'::text])))
table transaction_decision
  transaction_id uuid not null
  decision text not null
  reason text
  decided_at timestamp with time zone not null default now()
  constraint transaction_decision_decision_check CHECK ((decision = ANY (ARRAY['commit'::text, 'abort'::text])))
  constraint transaction_decision_pkey PRIMARY KEY (transaction_id)
  constraint transaction_decision_transaction_id_fkey FOREIGN KEY (transaction_id) REFERENCES jobs.transaction(id) ON DELETE CASCADE
table transaction_order
  id bigint not null
  transaction_id uuid not null
  at timestamp with time zone not null default clock_timestamp()
  verb text not null
  branch integer
  round integer
  by text not null
  reason text
  told_at timestamp with time zone
  constraint transaction_order_pkey PRIMARY KEY (id)
  constraint transaction_order_transaction_id_fkey FOREIGN KEY (transaction_id) REFERENCES jobs.transaction(id) ON DELETE CASCADE
  constraint transaction_order_verb_check CHECK ((verb = ANY (ARRAY['abort'::text, 'retry'::text, 'settle'::text])))
  CREATE INDEX transaction_order_of ON jobs.transaction_order USING btree (transaction_id)
table watch
  job uuid not null
  session uuid not null
  constraint watch_pk PRIMARY KEY (job, session)
table worker_setting
  kind text not null
  name text not null
  worker text not null
  slots integer not null
  by text not null
  reason text
  at timestamp with time zone not null default now()
  constraint worker_setting_kind_check CHECK ((kind = ANY (ARRAY['queue'::text, 'pool'::text])))
  constraint worker_setting_pkey PRIMARY KEY (kind, name, worker)
  constraint worker_setting_slots_check CHECK (((slots >= 0) AND (slots <= 10000)))
CREATE OR REPLACE FUNCTION jobs.admit(p_gates text[], p_ahead double precision, p_most integer)
 RETURNS TABLE(id uuid, dispatch integer, queue text, priority smallint, type text)
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.burst_of(algorithm text, amount double precision, period double precision, burst double precision, lent double precision)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case when algorithm = 'token' and lent > 0 then greatest(1, burst - amount / period * lent) else burst end
$function$

CREATE OR REPLACE FUNCTION jobs.choose_fair(p_session uuid, p_queue text, p_types text[], p_named boolean, INOUT ids uuid[], INOUT dispatches integer[], OUT places tid[])
 RETURNS record
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.claim_limited(p_session uuid, p_ids uuid[], p_dispatches integer[], p_queue text, p_types text[], p_ahead double precision)
 RETURNS TABLE(said text, id uuid, attempt integer, failures smallint, priority smallint, type text, enqueued_at timestamp with time zone, args json, timeout real, batch uuid, after uuid[], trace text, meta jsonb, limited boolean, wait double precision)
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.claim_next(p_session uuid, p_gates text[], p_room integer, p_queue text, p_types text[], p_ahead double precision)
 RETURNS TABLE(said text, id uuid, attempt integer, failures smallint, priority smallint, type text, enqueued_at timestamp with time zone, args json, timeout real, batch uuid, after uuid[], trace text, meta jsonb, limited boolean, wait double precision, line text)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
declare
  v_admitted record;
  v_rule     text;
  v_rules    integer;
  v_ids      uuid[] := '{}';
  v_under    integer[] := '{}';
  v_claimed  integer := 0;
  v_room     integer := p_room;
begin
  perform pg_advisory_xact_lock(hashtextextended('jobs.next ' || p_session || p_queue, 0)); -- for claimed_at_gates
  perform pg_advisory_xact_lock_shared(hashtextextended('jobs.limits', 0));
  select min(r.name), count(*) into v_rule, v_rules from jobs.limit_rule r where (r.queue is null or r.queue = p_queue) and (r.type is null or r.type = any(p_types));
  if v_rules <> 1 or exists (select from unnest(p_gates) as g where split_part(g, ':', 1) <> v_rule) then
    v_room := 0;
  end if;
  for v_admitted in select a.* from jobs.admit(p_gates, 0, 500) a order by a.priority desc, a.id loop
    if v_room > 0 and v_admitted.queue = p_queue and v_admitted.type = any(p_types) then
      v_ids := v_ids || v_admitted.id;
      v_under := v_under || v_admitted.dispatch;
      v_room := v_room - 1;
    else
      return query select 'ticket', v_admitted.id, v_admitted.dispatch, null::smallint, v_admitted.priority, v_admitted.type, null::timestamptz, null::json, null::float4, null::uuid, null::uuid[], null, null::jsonb,
        false, 0::float8, v_admitted.queue;
    end if;
  end loop;
  if v_ids <> '{}' then
    return query select c.said, c.id, c.attempt, c.failures, c.priority, c.type, c.enqueued_at, c.args, c.timeout, c.batch, c.after, c.trace, c.meta, c.limited, c.wait, p_queue
      from jobs.claim_limited(p_session, v_ids, v_under, p_queue, p_types, p_ahead) c;
    get diagnostics v_claimed = row_count;
    if v_claimed = 0 then -- the queue was paused meanwhile: their tickets wait in the broker like all others
      return query select 'ticket', j.id, j.dispatch, null::smallint, least(31, greatest(1, j.priority) + 1)::smallint, j.type, null::timestamptz, null::json, null::float4, null::uuid, null::uuid[], null, null::jsonb,
        false, 0::float8, j.queue
        from unnest(v_ids, v_under) as t (id, dispatch) join jobs.job j on j.id = any(array[t.id]) where j.state = 'queued' and j.dispatch = t.dispatch;
    end if;
  end if;
end $function$

CREATE OR REPLACE FUNCTION jobs.claimed_at_gates(p_session uuid, p_queue text)
 RETURNS TABLE(id uuid, attempt integer, failures smallint, priority smallint, type text, enqueued_at timestamp with time zone, args json, timeout real, batch uuid, after uuid[], trace text, meta jsonb, limited boolean, wait double precision)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
begin
  perform pg_advisory_xact_lock(hashtextextended('jobs.next ' || p_session || p_queue, 0));
  return query
  select j.id, j.attempt, j.failures, j.priority, j.type, j.enqueued_at, j.args, j.timeout, j.batch, j.after, j.trace, j.meta, j.slots is not null, extract(epoch from j.started_at - now())::float8
  from jobs.job j where j.state = 'running' and j.session = p_session and j.queue = p_queue and j.woken_at is not null;
end $function$

CREATE OR REPLACE FUNCTION jobs.count_limit(p_name text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.declare_limit(p_name text, p_queue text, p_type text, p_key text[], p_slots integer, p_algorithm text, p_amount double precision, p_period double precision, p_burst double precision, p_cost text[], p_origin text, p_by text)
 RETURNS text
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.end_holds()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  with gone as (
    delete from jobs.hold h using ended e where h.session = e.id returning h.gate, h.n
  )
  insert into jobs.gate_exit as x (id, freed) select g.gate, sum(g.n) from gone g group by 1 order by 1 on conflict (id) do update set freed = x.freed + excluded.freed;
  if found then
    perform jobs.signal('gates');
  end if;
  return null;
end $function$

CREATE OR REPLACE FUNCTION jobs.enqueue(type text, args json, queue text DEFAULT 'default'::text, priority integer DEFAULT 16, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, delay interval DEFAULT NULL::interval, unique_key text DEFAULT NULL::text, expires interval DEFAULT NULL::interval, timeout interval DEFAULT NULL::interval, id uuid DEFAULT NULL::uuid, tags text[] DEFAULT NULL::text[], meta json DEFAULT NULL::json, trace text DEFAULT NULL::text)
 RETURNS uuid
 LANGUAGE sql
AS $function$
  select jobs.write_pending($10, $1, $2, $3, $4, $5, $6, $7, false, $8, $9, null, $11, $12, $13)
$function$

CREATE OR REPLACE FUNCTION jobs.fair_of(p_queue text, p_args json)
 RETURNS text
 LANGUAGE sql
 STABLE
AS $function$
  select coalesce(jobs.gate_key(p_args, f.key), '') from jobs.fair_queue f where f.name = p_queue and f.key is not null
$function$

CREATE OR REPLACE FUNCTION jobs.fair_order(p_line text, p_state jobs.state, p_priority smallint, p_types text[], p_paused text[], p_most integer, p_least integer, p_not uuid[], p_value text, p_rest integer, p_width integer, OUT ids uuid[], OUT places tid[], OUT rests integer[], OUT width integer)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.fill_fair(p_queue text, p_above uuid, p_most integer)
 RETURNS uuid
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.forget_fair()
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.forget_gates(p_most integer)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.gate_key(args json, key text[])
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case when key is null then '' when octet_length(args::text) <= 200 or length(args #>> key) <= 200 then args #>> key else left(args #>> key, 160) || md5(args #>> key) end
$function$

CREATE OR REPLACE FUNCTION jobs.held(g jobs.gate)
 RETURNS integer
 LANGUAGE sql
 STABLE
AS $function$
  select (g.taken - coalesce((select x.freed from jobs.gate_exit x where x.id = g.id), g.seen) + g.seen)::integer
$function$

CREATE OR REPLACE FUNCTION jobs.id_time(id uuid)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
  select to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
$function$

CREATE OR REPLACE FUNCTION jobs.is_awaited(p_gate text)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
begin
  return exists (select from jobs.job j where j.blocked_on = p_gate);
end $function$

CREATE OR REPLACE FUNCTION jobs.is_limited(p_queue text, p_types text[])
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('jobs.limits', 0));
  return exists (select from jobs.limit_rule r where (r.queue is null or r.queue = p_queue) and (r.type is null or r.type = any(p_types))) or exists (select from jobs.fair_queue f where f.name = p_queue);
end $function$

CREATE OR REPLACE FUNCTION jobs.kept_trace(trace text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case when trace ~ '^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f][13579bdf]$' then trace end
$function$

CREATE OR REPLACE FUNCTION jobs.key_fault(value text, what text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case
    when value = '' then format('The %s is empty; give it 1 to 200 characters.', what)
    when l.length > 200 then format('The %s "%s..." has %s characters; at most 200 are allowed.', what, left(value, 24), l.length)
    when value ~ '[\u0001-\u001f\u007f-\u009f]' then format('The %s holds a control character; use printable ones.', what)
  end
  from (select length(value) + case when octet_length(value) >= 104 then length(regexp_replace(value, '[^\U00010000-\U0010ffff]', '', 'g')) else 0 end as length) l
$function$

CREATE OR REPLACE FUNCTION jobs.lend(algorithm text, amount double precision, period double precision, burst double precision, INOUT level double precision, INOUT at timestamp with time zone, INOUT segments real[], INOUT lent double precision, t timestamp with time zone, cost double precision, p_valid double precision, p_short double precision, OUT permit timestamp with time zone, OUT valid double precision)
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.loan(algorithm text, amount double precision, period double precision, burst double precision, INOUT lent double precision, p_valid double precision, p_short double precision, OUT valid double precision, OUT extra double precision)
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.make_partitions(ahead interval)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
declare
  made  integer := 0;
  kind  record;
  start timestamptz;
  name  text;
begin
  perform pg_advisory_xact_lock(hashtextextended('jobs.make_partitions', 0));
  for kind in values ('history_succeeded', interval '1 day', 'day', ahead), ('history_other', interval '7 days', 'week', ahead), ('log', interval '1 day', 'day', least(ahead, interval '2 days')) loop
    start := date_trunc(kind.column3, now(), 'UTC');
    while start <= now() + kind.column4 loop
      name := kind.column1 || '_p' || to_char(start at time zone 'UTC', 'YYYYMMDD');
      if not exists (select from pg_catalog.pg_tables t where t.schemaname = split_part('jobs.job', '.', 1) and t.tablename = name) then
        execute format('create table jobs.%I (like jobs.%I including defaults including constraints)', name, kind.column1);
        execute format('alter table jobs.%I attach partition jobs.%I for values from (%L) to (%L)', kind.column1, name, start, start + kind.column2);
        made := made + 1;
      end if;
      start := start + kind.column2;
    end loop;
  end loop;
  return made;
end $function$

CREATE OR REPLACE FUNCTION jobs.meta_fault(meta json)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case
    when json_typeof(meta) <> 'object' then 'The metadata is not a JSON object; use one whose values are texts, for example ''{"tenant": "42"}''.'
    when octet_length(convert_to(meta::text, 'UTF8')) > 4096 or meta::text ~ '(^|[^\\])(\\\\)*\\u0000' then
      format('The metadata has %s bytes of JSON; at most 4096 are allowed, and no NUL. What the work needs belongs into the arguments.', octet_length(convert_to(meta::text, 'UTF8')))
    else (select format('The metadata "%s" is not a text; use texts only.', left(v.key, 24)) from json_each(meta) v where json_typeof(v.value) <> 'string' limit 1)
  end
$function$

CREATE OR REPLACE FUNCTION jobs.name_fault(value text, what text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case
    when value is null or value = '' then format('The %s is empty; give it 1 to 100 characters.', what)
    when length(value) > 100 then format('The %s "%s..." has %s characters; at most 100 are allowed.', what, left(value, 24), length(value))
    when value collate "C" !~ '^[A-Za-z0-9][A-Za-z0-9._-]*$' then
      format('The %s "%s" is not allowed; use letters, digits, ''.'', ''_'' and ''-'', starting with a letter or a digit.', what, value)
  end
$function$

CREATE OR REPLACE FUNCTION jobs.new_id()
 RETURNS uuid
 LANGUAGE sql
 PARALLEL SAFE
AS $function$
  select encode(set_bit(set_bit(
    overlay(uuid_send(gen_random_uuid()) placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
    52, 1), 53, 1), 'hex')::uuid
$function$

CREATE OR REPLACE FUNCTION jobs.next_blocked(p_gate text, p_most integer)
 RETURNS SETOF uuid
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_sort TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.next_hundredth(t timestamp with time zone, period double precision)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select 'epoch'::timestamptz + ceil(extract(epoch from t) * 1000000 / ceil(period * 1e4)::bigint) * ceil(period * 1e4)::bigint * interval '1 microsecond'
$function$

CREATE OR REPLACE FUNCTION jobs.pass_gates(p_session uuid, p_ids uuid[], p_queue text, p_ahead double precision, p_taken boolean)
 RETURNS TABLE(said text, id uuid, gate text, wait double precision)
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.period_of(algorithm text, period double precision, lent double precision)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case when algorithm = 'sliding' then period + lent else period end
$function$

CREATE OR REPLACE FUNCTION jobs.permit(algorithm text, amount double precision, period double precision, burst double precision, INOUT level double precision, INOUT at timestamp with time zone, INOUT segments real[], t timestamp with time zone, cost double precision, OUT permit timestamp with time zone)
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.push_back(p_session uuid, p_ids uuid[], p_attempts integer[], p_delays double precision[], p_rules text[], OUT written integer, OUT room text[], OUT unknown text[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.read_meter(algorithm text, amount double precision, period double precision, burst double precision, level double precision, at timestamp with time zone, segments real[], t timestamp with time zone, OUT tokens double precision, OUT next_at timestamp with time zone)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.remove_limit(p_name text)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.resume_gates(p_name text, p_value text)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.set_fairness(p_queue text, p_key text[])
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.set_limit(p_name text, p_queue text, p_type text, p_key text[], p_slots integer, p_algorithm text, p_amount double precision, p_period double precision, p_burst double precision, p_cost text[], p_origin text, p_by text, p_reason text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.set_limit_key(p_name text, p_value text, p_slots integer, p_amount double precision)
 RETURNS text
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.share_limits()
 RETURNS void
 LANGUAGE sql
AS $function$
  select pg_advisory_xact_lock_shared(hashtextextended('jobs.limits', 0))
$function$

CREATE OR REPLACE FUNCTION jobs.signal(word text)
 RETURNS void
 LANGUAGE sql
AS $function$ select pg_notify(split_part('jobs.signal', '.', 1), word) $function$

CREATE OR REPLACE FUNCTION jobs.tags_fault(tags text[])
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case
    when cardinality(tags) > 20 then format('The job has %s tags; at most 20 are allowed. What is only to be carried along goes into Metadata.', cardinality(tags))
    else (
      select case when l.length = 0 then 'The tag "" is not allowed; use 1 to 100 characters, none of them NUL.'
        else format('The tag "%s..." has %s characters; at most 100 are allowed.', left(t.tag, 24), l.length) end
      from unnest(tags) with ordinality t (tag, n),
        lateral (select coalesce(length(t.tag) + length(regexp_replace(t.tag, '[^\U00010000-\U0010ffff]', '', 'g')), 0) as length) l
      where l.length not between 1 and 100
      order by t.n limit 1)
  end
$function$

CREATE OR REPLACE FUNCTION jobs.take_fair(p_line text, p_state jobs.state, p_types text[], p_paused text[], p_most integer, OUT ids uuid[], OUT dispatches integer[], OUT places tid[])
 RETURNS record
 LANGUAGE plpgsql
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.take_permits(p_session uuid, p_hold uuid, p_rule text, p_key text, p_least integer, p_want integer, p_valid double precision, p_short double precision, p_ahead double precision, OUT said text, OUT granted integer, OUT wait double precision, OUT valid double precision, OUT most double precision, OUT counts boolean)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.take_tokens(p_queue text, p_n integer)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
end $function$

CREATE OR REPLACE FUNCTION jobs.time_span(span interval)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
  select case when s.seconds in ('Infinity', '-Infinity') then s.seconds::text else
    case when s.seconds < 0 then '-' else '' end || case when s.days > 0 then s.days || '.' else '' end
    || to_char(s.rest / 3600, 'FM00') || ':' || to_char(s.rest / 60 % 60, 'FM00') || ':' || to_char(s.rest % 60, 'FM00')
    || case when s.micros > 0 then '.' || to_char(s.micros, 'FM000000') || '0' else '' end end
  from (
    select e.seconds, trunc(abs(f.finite) / 86400)::bigint as days, trunc(abs(f.finite) % 86400)::integer as rest, trunc(abs(f.finite) % 1 * 1000000)::integer as micros
    from (select extract(epoch from span)::numeric as seconds) e,
      lateral (select case when e.seconds in ('Infinity', '-Infinity') then 0 else e.seconds end as finite) f
  ) s
$function$

CREATE OR REPLACE FUNCTION jobs.token_cost(args json, cost text[])
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select coalesce(case when args #>> cost ~ '^[0-9]{1,15}([.][0-9]{1,15})?([eE][+-]?[0-9]{1,2})?$' then nullif((args #>> cost)::float8, 0) end, 1)
$function$

CREATE OR REPLACE FUNCTION jobs.write_outbox()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  new.id := jobs.write_pending(new.id, new.type, new.args, new.queue, new.priority, new.run_at, make_interval(secs => new.delay_seconds),
    new.unique_key, new.unique_until_started, make_interval(secs => new.expires_seconds), make_interval(secs => new.timeout_seconds), new.max_argument_bytes, new.tags, new.meta,
    new.trace);
  return new;
end $function$

CREATE OR REPLACE FUNCTION jobs.write_pending(p_id uuid, p_type text, p_args json, p_queue text, p_priority integer, p_run_at timestamp with time zone, p_delay interval, p_unique_key text, p_until_started boolean, p_expires interval, p_timeout interval, p_max_bytes integer, p_tags text[], p_meta json, p_trace text)
 RETURNS uuid
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
declare
  v_queue    text        := coalesce(p_queue, 'default');
  v_priority integer     := coalesce(p_priority, 16);
  v_id       uuid        := coalesce(p_id, jobs.new_id());
  v_key      text        := p_type || ':' || p_unique_key;
  v_due      timestamptz := coalesce(p_run_at, now() + p_delay);
  v_bytes    integer     := octet_length(convert_to(p_args::text, 'UTF8'));
  v_limit    integer     := case when p_max_bytes is null then (select max_argument_bytes from jobs.setting) else least(p_max_bytes, 1048576) end;
  v_fault    text;
  v_hint     text;
  v_found    uuid;
begin
  v_fault := case
    when jobs.name_fault(p_type, 'job type') is not null then jobs.name_fault(p_type, 'job type')
    when p_args is null then format('The arguments of "%s" are null; give a JSON value, for example ''{}''.', p_type)
    when jobs.name_fault(v_queue, 'queue name') is not null then jobs.name_fault(v_queue, 'queue name')
    when v_queue = 'malformed' then 'The queue name "malformed" is taken by the queue for messages that are not tickets; choose another.'
    when v_queue = 'submit' then 'The queue name "submit" is taken by the queue for jobs that come in over AMQP; choose another.'
    when v_priority not between 0 and 31 then format('The priority %s is not allowed; use 0 (lowest) to 31 (highest).', v_priority)
    when v_bytes > v_limit then format('The JSON of the arguments of a "%s" job has %s bytes; the limit is %s. Store the bulk elsewhere and pass a reference, '
      || 'or raise JobsOptions.MaxArgumentBytes (at most 1,048,576).', p_type, to_char(v_bytes, 'FM999,999,999,999'), to_char(v_limit, 'FM999,999,999,999'))
    when extract(epoch from p_delay) not between 0 and 3653 * 86400 then
      format('The delay %s is not allowed; use 0 to 3653 days (10 years).', jobs.time_span(p_delay))
    when p_delay is not null and p_run_at is not null then 'Delay and RunAt are both set; set one of them.'
    when p_run_at >= '2200-01-01 00:00:00+00' then format('The time %s is not allowed; use a time before the year 2200.',
      case when isfinite(p_run_at) then to_char(p_run_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '0+00:00' else p_run_at::text end)
    when get_byte(uuid_send(v_id), 6) >> 4 <> 7 then format('The id %s is not a UUID of version 7; make ids with JobId.New().', v_id)
    when extract(epoch from p_timeout) not between 0.01 and 30 * 86400 then
      format('The timeout %s is not allowed; use 10 ms to 30 days.', jobs.time_span(p_timeout))
    when extract(epoch from p_expires) <= 0 or extract(epoch from p_expires) > 3653 * 86400 then
      format('The expiry %s is not allowed; use more than 0, up to 3653 days (10 years).', jobs.time_span(p_expires))
    when jobs.key_fault(p_unique_key, 'unique key') is not null then jobs.key_fault(p_unique_key, 'unique key')
    else coalesce(jobs.tags_fault(p_tags), jobs.meta_fault(p_meta))
  end;
  if v_fault is not null then
    v_hint := case
      when v_fault like 'The JSON of %' then 'Here the limit is jobs.setting.max_argument_bytes.'
      when v_fault like 'The id %' then 'Here new ids come from jobs.new_id().'
      when v_fault like 'Delay and %' then 'Here they are called delay and run_at.'
      when v_fault like 'The job has % tags%' then 'Here metadata is called meta.'
    end;
    if v_hint is null then
      raise exception using errcode = 'invalid_parameter_value', message = v_fault;
    end if;
    raise exception using errcode = 'invalid_parameter_value', message = v_fault, hint = v_hint;
  end if;

  loop
    -- As enqueue_any.sql does for a pending job. Waits for whoever is just writing the same id or key.
    insert into jobs.job (id, type, queue, priority, args, state, due_at, expires_at, timeout, unique_key, unique_waiting, tags, meta, trace)
    values (v_id, p_type, v_queue, v_priority, p_args, case when v_due > now() then 'scheduled' else 'pending' end::jobs.state, greatest(v_due, now()),
      now() + p_expires, extract(epoch from p_timeout)::real, v_key, case when v_key is not null then nullif(p_until_started, false) end,
      (select array_agg(t.tag order by t.n) from (select u.tag, min(u.n) as n from unnest(p_tags) with ordinality u (tag, n) group by u.tag) t), nullif(p_meta::jsonb, '{}'),
      jobs.kept_trace(p_trace))
    on conflict do nothing
    returning id into v_found;
    if found then
      exit;
    end if;

    select j.id into v_found from jobs.job j where j.id = v_id;
    if not found then
      select j.id into v_found from jobs.job j where j.unique_key = v_key;
    end if;
    if found then
      return v_found;
    end if; -- it has just ended: the id or the key is free again
  end loop;

  -- As forget_if_ended.sql does: the same id again is not a second job, also after its end.
  if p_id is not null and exists (select from jobs.history h where h.id = p_id and h.ended_at >= jobs.id_time(p_id) - interval '1 day') then
    delete from jobs.job j where j.id = p_id;
  end if;
  return v_id;
end $function$

view idle_gate
view outbox
sequence transaction_order_id_seq
CREATE TRIGGER outbox_insert INSTEAD OF INSERT ON jobs.outbox FOR EACH ROW EXECUTE FUNCTION jobs.write_outbox()
CREATE TRIGGER session_holds AFTER DELETE ON jobs.session REFERENCING OLD TABLE AS ended FOR EACH STATEMENT EXECUTE FUNCTION jobs.end_holds()
