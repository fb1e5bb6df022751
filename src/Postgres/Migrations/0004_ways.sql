-- Enqueue from plain SQL: psql, a trigger, any language, any ORM, inside the caller's own transaction. The rules and the texts of the errors are those of the C# side
-- (Contracts/Names.cs, Contracts/JobOutcome.cs, Producer/Rows.cs); a test compares the two.

-- What the ways in without a .NET process go by. One row.
create table jobs.setting (
  one                boolean not null default true,
  max_argument_bytes integer not null default 262144,  -- as JobsOptions.MaxArgumentBytes
  constraint setting_pk primary key (one),
  constraint setting_one check (one),
  constraint setting_max_argument_bytes check (max_argument_bytes between 1 and 1048576)
);
insert into jobs.setting default values;

-- A UUID of version 7: 48 bits of milliseconds over a random UUID, whose version 4 becomes a 7 by setting two bits.
create function jobs.new_id() returns uuid language sql volatile parallel safe as $$
  select encode(set_bit(set_bit(
    overlay(uuid_send(gen_random_uuid()) placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
    52, 1), 53, 1), 'hex')::uuid
$$;

-- When the id was made, as JobId.CreatedAt.
create function jobs.id_time(id uuid) returns timestamptz language sql immutable strict parallel safe as $$
  select to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
$$;

-- A length of time as .NET writes it: -1.02:03:04.5000000.
create function jobs.time_span(span interval) returns text language sql immutable strict parallel safe as $$
  select case when s.seconds in ('Infinity', '-Infinity') then s.seconds::text else
    case when s.seconds < 0 then '-' else '' end || case when s.days > 0 then s.days || '.' else '' end
    || to_char(s.rest / 3600, 'FM00') || ':' || to_char(s.rest / 60 % 60, 'FM00') || ':' || to_char(s.rest % 60, 'FM00')
    || case when s.micros > 0 then '.' || to_char(s.micros, 'FM000000') || '0' else '' end end
  from (
    select e.seconds, trunc(abs(f.finite) / 86400)::bigint as days, trunc(abs(f.finite) % 86400)::integer as rest, trunc(abs(f.finite) % 1 * 1000000)::integer as micros
    from (select extract(epoch from span)::numeric as seconds) e,
      lateral (select case when e.seconds in ('Infinity', '-Infinity') then 0 else e.seconds end as finite) f
  ) s
$$;

-- What is wrong with the name of a queue or a type; null: nothing.
create function jobs.name_fault(value text, what text) returns text language sql immutable parallel safe as $$
  select case
    when value is null or value = '' then format('The %s is empty; give it 1 to 100 characters.', what)
    when length(value) > 100 then format('The %s "%s..." has %s characters; at most 100 are allowed.', what, left(value, 24), length(value))
    when value collate "C" !~ '^[A-Za-z0-9][A-Za-z0-9._-]*$' then
      format('The %s "%s" is not allowed; use letters, digits, ''.'', ''_'' and ''-'', starting with a letter or a digit.', what, value)
  end
$$;

-- The same for a key. Characters are counted as .NET does: those of four bytes count twice.
create function jobs.key_fault(value text, what text) returns text language sql immutable parallel safe as $$
  select case
    when value = '' then format('The %s is empty; give it 1 to 200 characters.', what)
    when l.length > 200 then format('The %s "%s..." has %s characters; at most 200 are allowed.', what, left(value, 24), l.length)
    when value ~ '[\u0001-\u001f\u007f-\u009f]' then format('The %s holds a control character; use printable ones.', what)
  end
  from (select length(value) + case when octet_length(value) >= 104 then length(regexp_replace(value, '[^\U00010000-\U0010ffff]', '', 'g')) else 0 end as length) l
$$;

-- Every way in from SQL ends here. All values may be null, which means their default. max_bytes is the limit of a writer that has its own.
-- Nothing that exists already is locked: the answer is the job that has the id or the key at this moment.
create function jobs.write_pending(
  p_id uuid, p_type text, p_args json, p_queue text, p_priority integer, p_run_at timestamptz, p_delay interval,
  p_unique_key text, p_until_started boolean, p_expires interval, p_timeout interval, p_max_bytes integer) returns uuid language plpgsql as $$
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
    else jobs.key_fault(p_unique_key, 'unique key')
  end;
  if v_fault is not null then
    v_hint := case
      when v_fault like 'The JSON of %' then 'Here the limit is jobs.setting.max_argument_bytes.'
      when v_fault like 'The id %' then 'Here new ids come from jobs.new_id().'
      when v_fault like 'Delay and %' then 'Here they are called delay and run_at.'
    end;
    if v_hint is null then
      raise exception using errcode = 'invalid_parameter_value', message = v_fault;
    end if;
    raise exception using errcode = 'invalid_parameter_value', message = v_fault, hint = v_hint;
  end if;

  loop
    -- As enqueue_any.sql does for a pending job. Waits for whoever is just writing the same id or key.
    insert into jobs.job (id, type, queue, priority, args, state, due_at, expires_at, timeout, unique_key, unique_waiting)
    values (v_id, p_type, v_queue, v_priority, p_args, case when v_due > now() then 'scheduled' else 'pending' end::jobs.state, greatest(v_due, now()),
      now() + p_expires, extract(epoch from p_timeout)::real, v_key, case when v_key is not null then nullif(p_until_started, false) end)
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
-- that has the unique key. delay, expires and timeout are lengths of time; run_at is a moment. Bad values are refused with SQLSTATE 22023.
create function jobs.enqueue(
  type text, args json, queue text default 'default', priority integer default 16, run_at timestamptz default null, delay interval default null,
  unique_key text default null, expires interval default null, timeout interval default null, id uuid default null) returns uuid language sql volatile as $$
  select jobs.write_pending($10, $1, $2, $3, $4, $5, $6, $7, false, $8, $9, null)
$$;

-- The same as a table to insert into, for tools that know only tables: null or left out means the default, `returning id` gives the id. It reads as empty.
create view jobs.outbox as
select null::uuid as id, null::text as type, null::json as args, null::text as queue, null::integer as priority, null::timestamptz as run_at,
  null::double precision as delay_seconds, null::text as unique_key, null::boolean as unique_until_started, null::double precision as expires_seconds,
  null::double precision as timeout_seconds, null::integer as max_argument_bytes
where false;

create function jobs.write_outbox() returns trigger language plpgsql as $$
begin
  new.id := jobs.write_pending(new.id, new.type, new.args, new.queue, new.priority, new.run_at, make_interval(secs => new.delay_seconds),
    new.unique_key, new.unique_until_started, make_interval(secs => new.expires_seconds), make_interval(secs => new.timeout_seconds), new.max_argument_bytes);
  return new;
end $$;

create trigger outbox_insert instead of insert on jobs.outbox for each row execute function jobs.write_outbox();
