-- What the migrations make, read from the catalogs; the dated partitions are left out. Not a script to run.
type state is enum ('pending', 'scheduled', 'queued', 'blocked', 'running', 'succeeded', 'failed', 'cancelled', 'expired')
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
  CREATE INDEX history_ended ON ONLY jobs.history USING brin (ended_at) WITH (pages_per_range='16', autosummarize='on')
  CREATE INDEX history_id ON ONLY jobs.history USING btree (id)
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
  CREATE INDEX history_other_ended_at_idx ON ONLY jobs.history_other USING brin (ended_at) WITH (pages_per_range='16', autosummarize='on')
  CREATE INDEX history_other_id_idx ON ONLY jobs.history_other USING btree (id)
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
  CREATE INDEX history_succeeded_ended_at_idx ON ONLY jobs.history_succeeded USING brin (ended_at) WITH (pages_per_range='16', autosummarize='on')
  CREATE INDEX history_succeeded_id_idx ON ONLY jobs.history_succeeded USING btree (id)
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
  constraint job_pk PRIMARY KEY (id)
  constraint job_priority CHECK (((priority >= 0) AND (priority <= 31)))
  CREATE INDEX job_due ON jobs.job USING btree (due_at) WHERE (due_at IS NOT NULL)
  CREATE INDEX job_ticket ON jobs.job USING btree (queue, ticket_at) WHERE (ticket_at IS NOT NULL)
table leader
  name text not null
  session uuid not null
  epoch bigint not null
  until timestamp with time zone not null
  constraint leader_pk PRIMARY KEY (name)
table migration
  version integer not null
  name text not null
  applied_at timestamp with time zone not null default now()
  constraint migration_pkey PRIMARY KEY (version)
table queue
  name text not null
  marker_at timestamp with time zone
  swept_to timestamp with time zone
  swept_at timestamp with time zone
  constraint queue_pk PRIMARY KEY (name)
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
  constraint session_pk PRIMARY KEY (id)
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
  for kind in values ('history_succeeded', interval '1 day', 'day'), ('history_other', interval '7 days', 'week') loop
    start := date_trunc(kind.column3, now(), 'UTC');
    while start <= now() + ahead loop
      name := kind.column1 || '_p' || to_char(start at time zone 'UTC', 'YYYYMMDD');
      if to_regclass(format('jobs.%I', name)) is null then
        execute format('create table jobs.%I (like jobs.%I including defaults including constraints)', name, kind.column1);
        execute format('alter table jobs.%I attach partition jobs.%I for values from (%L) to (%L)', kind.column1, name, start, start + kind.column2);
        made := made + 1;
      end if;
      start := start + kind.column2;
    end loop;
  end loop;
  return made;
end $function$

