-- Who has ended jobs that a limit counts starts those that wait at its gates, in one transaction: as jobs.admit and jobs.claim_limited one after the other, without a ticket between them.
-- Up to p_room of p_queue and p_types are claimed; of the answer, `said` is as there, or 'ticket': the job is queued in `line`, under the dispatch in `attempt`, and needs one. Only where a single rule applies,
-- and the gates are its own: else gates would be locked in two orders, and all are tickets.
create function jobs.claim_next(p_session uuid, p_gates text[], p_room integer, p_queue text, p_types text[], p_ahead float8)
returns table (said text, id uuid, attempt integer, failures smallint, priority smallint, type text, enqueued_at timestamptz, args json, timeout float4, batch uuid, after uuid[], trace text,
  meta jsonb, limited boolean, wait float8, line text) language plpgsql as $$
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
end $$;

-- What of p_queue runs under this session and had waited at a gate, and when it may start. An earlier claim_next of this session, whose answer was lost, has been committed or not when this looks.
-- Reads all live jobs, as a rescue does: it happens once in a lost connection.
create function jobs.claimed_at_gates(p_session uuid, p_queue text)
returns table (id uuid, attempt integer, failures smallint, priority smallint, type text, enqueued_at timestamptz, args json, timeout float4, batch uuid, after uuid[], trace text, meta jsonb, limited boolean,
  wait float8) language plpgsql as $$
#variable_conflict use_column
begin
  perform pg_advisory_xact_lock(hashtextextended('jobs.next ' || p_session || p_queue, 0));
  return query
  select j.id, j.attempt, j.failures, j.priority, j.type, j.enqueued_at, j.args, j.timeout, j.batch, j.after, j.trace, j.meta, j.slots is not null, extract(epoch from j.started_at - now())::float8
  from jobs.job j where j.state = 'running' and j.session = p_session and j.queue = p_queue and j.woken_at is not null;
end $$;
