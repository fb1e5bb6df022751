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
table finding
  name text not null
  value bigint not null
  oldest timestamp with time zone
  detail text
  at timestamp with time zone not null
  constraint finding_pk PRIMARY KEY (name)
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
  constraint job_pk PRIMARY KEY (id)
  constraint job_priority CHECK (((priority >= 0) AND (priority <= 31)))
  CREATE INDEX job_batch ON jobs.job USING btree (batch, id) WHERE (batch IS NOT NULL)
  CREATE INDEX job_due ON jobs.job USING btree (due_at) WHERE (due_at IS NOT NULL)
  CREATE INDEX job_expires ON jobs.job USING btree (expires_at) WHERE (expires_at IS NOT NULL)
  CREATE INDEX job_tags ON jobs.job USING gin (tags) WHERE (tags IS NOT NULL)
  CREATE INDEX job_ticket ON jobs.job USING btree (queue, ticket_at) WHERE (ticket_at IS NOT NULL)
  CREATE UNIQUE INDEX job_unique ON jobs.job USING btree (unique_key) WHERE (unique_key IS NOT NULL)
table leader
  name text not null
  session uuid not null
  epoch bigint not null
  until timestamp with time zone not null
  constraint leader_pk PRIMARY KEY (name)
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
table watch
  job uuid not null
  session uuid not null
  constraint watch_pk PRIMARY KEY (job, session)
CREATE OR REPLACE FUNCTION jobs.enqueue(type text, args json, queue text DEFAULT 'default'::text, priority integer DEFAULT 16, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, delay interval DEFAULT NULL::interval, unique_key text DEFAULT NULL::text, expires interval DEFAULT NULL::interval, timeout interval DEFAULT NULL::interval, id uuid DEFAULT NULL::uuid, tags text[] DEFAULT NULL::text[], meta json DEFAULT NULL::json)
 RETURNS uuid
 LANGUAGE sql
AS $function$
  select jobs.write_pending($10, $1, $2, $3, $4, $5, $6, $7, false, $8, $9, null, $11, $12)
$function$

CREATE OR REPLACE FUNCTION jobs.id_time(id uuid)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
  select to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
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

CREATE OR REPLACE FUNCTION jobs.write_outbox()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  new.id := jobs.write_pending(new.id, new.type, new.args, new.queue, new.priority, new.run_at, make_interval(secs => new.delay_seconds),
    new.unique_key, new.unique_until_started, make_interval(secs => new.expires_seconds), make_interval(secs => new.timeout_seconds), new.max_argument_bytes, new.tags, new.meta);
  return new;
end $function$

CREATE OR REPLACE FUNCTION jobs.write_pending(p_id uuid, p_type text, p_args json, p_queue text, p_priority integer, p_run_at timestamp with time zone, p_delay interval, p_unique_key text, p_until_started boolean, p_expires interval, p_timeout interval, p_max_bytes integer, p_tags text[], p_meta json)
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
    insert into jobs.job (id, type, queue, priority, args, state, due_at, expires_at, timeout, unique_key, unique_waiting, tags, meta)
    values (v_id, p_type, v_queue, v_priority, p_args, case when v_due > now() then 'scheduled' else 'pending' end::jobs.state, greatest(v_due, now()),
      now() + p_expires, extract(epoch from p_timeout)::real, v_key, case when v_key is not null then nullif(p_until_started, false) end,
      (select array_agg(t.tag order by t.n) from (select u.tag, min(u.n) as n from unnest(p_tags) with ordinality u (tag, n) group by u.tag) t), nullif(p_meta::jsonb, '{}'))
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

view outbox
CREATE TRIGGER outbox_insert INSTEAD OF INSERT ON jobs.outbox FOR EACH ROW EXECUTE FUNCTION jobs.write_outbox()
