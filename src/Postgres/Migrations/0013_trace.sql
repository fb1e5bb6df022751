-- The trace of jobs that come in by SQL, a DbContext's among them (see 0008_throughput.sql).

-- The traceparent as it is kept: one that is malformed, or of a span that nobody records, leads nowhere and must not fail an enqueue. As with messages (RabbitMq/Submission.cs).
create function jobs.kept_trace(trace text) returns text language sql immutable parallel safe as $$
  select case when trace ~ '^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f][13579bdf]$' then trace end
$$;

drop function jobs.enqueue(text, json, text, integer, timestamptz, interval, text, interval, interval, uuid, text[], json);
drop function jobs.write_pending(uuid, text, json, text, integer, timestamptz, interval, text, boolean, interval, interval, integer, text[], json);

-- Every way in from SQL ends here. All values may be null, which means their default. max_bytes is the limit of a writer that has its own.
-- Nothing that exists already is locked: the answer is the job that has the id or the key at this moment.
create function jobs.write_pending(
  p_id uuid, p_type text, p_args json, p_queue text, p_priority integer, p_run_at timestamptz, p_delay interval,
  p_unique_key text, p_until_started boolean, p_expires interval, p_timeout interval, p_max_bytes integer,
  p_tags text[], p_meta json, p_trace text) returns uuid language plpgsql as $$
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
end $$;

-- Enqueues one job in your own transaction: it runs if and only if you commit. The scheduler dispatches it within 200 ms of the commit. Returns the id, or that of the job
-- that has the unique key. delay, expires and timeout are lengths of time; run_at is a moment; meta is an object of texts; trace is
-- the W3C traceparent of the span that asks for it, and kept if that is recorded. Bad values are refused with SQLSTATE 22023.
create function jobs.enqueue(
  type text, args json, queue text default 'default', priority integer default 16, run_at timestamptz default null, delay interval default null,
  unique_key text default null, expires interval default null, timeout interval default null, id uuid default null, tags text[] default null, meta json default null,
  trace text default null)
  returns uuid language sql volatile as $$
  select jobs.write_pending($10, $1, $2, $3, $4, $5, $6, $7, false, $8, $9, null, $11, $12, $13)
$$;

-- As a table to insert into: one more column.
create or replace view jobs.outbox as
select null::uuid as id, null::text as type, null::json as args, null::text as queue, null::integer as priority, null::timestamptz as run_at,
  null::double precision as delay_seconds, null::text as unique_key, null::boolean as unique_until_started, null::double precision as expires_seconds,
  null::double precision as timeout_seconds, null::integer as max_argument_bytes, null::text[] as tags, null::json as meta, null::text as trace
where false;

create or replace function jobs.write_outbox() returns trigger language plpgsql as $$
begin
  new.id := jobs.write_pending(new.id, new.type, new.args, new.queue, new.priority, new.run_at, make_interval(secs => new.delay_seconds),
    new.unique_key, new.unique_until_started, make_interval(secs => new.expires_seconds), make_interval(secs => new.timeout_seconds), new.max_argument_bytes, new.tags, new.meta,
    new.trace);
  return new;
end $$;
