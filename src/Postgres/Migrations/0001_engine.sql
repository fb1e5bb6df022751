-- The engine's tables. `jobs.` stands for the configured schema (JobsOptions.Schema) wherever it is followed by a name.

create type jobs.state as enum ('pending', 'scheduled', 'queued', 'blocked', 'running', 'succeeded', 'failed', 'cancelled', 'expired');

-- Live jobs only: what ends is moved to history by the statement that ends it, so this table and its indexes stay in memory.
create table jobs.job (
  id          uuid        not null,
  enqueued_at timestamptz not null default now(),
  due_at      timestamptz,                     -- pending, scheduled: when it becomes queued
  ticket_at   timestamptz,                     -- queued, running: when its newest ticket was sent; the reconciler's clue
  started_at  timestamptz,                     -- when the newest attempt was claimed
  session     uuid,                            -- running: whose attempt it is
  state       jobs.state  not null,
  dispatch    integer     not null default 1,  -- a ticket with another number is stale
  attempt     integer     not null default 0,  -- counts claims; the fence of every write of that run
  failures    smallint    not null default 0,  -- attempts that were used up
  crashes     smallint    not null default 0,  -- attempts whose worker died
  priority    smallint    not null,
  queue       text        not null,
  type        text        not null,
  args        json        not null,
  errors      jsonb,                           -- every failed attempt, oldest first
  constraint job_pk primary key (id),
  constraint job_priority check (priority between 0 and 31)
) with (
  -- Every row is rewritten once, by its claim, and deleted once. Half of each page is left free, so that the claim's new version fits beside the old one.
  fillfactor = 50,
  -- Vacuum early, at full speed, by count and not by share of the table.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000
);
-- No index, not even the condition of one, speaks of a column that a claim changes: only then does the claim touch no index (a heap-only update).
create index job_due    on jobs.job (due_at)           where due_at is not null;
create index job_ticket on jobs.job (queue, ticket_at) where ticket_at is not null;

-- Ended jobs, by kind of end (what succeeded is kept for a shorter time) and by time of end (retention is dropping a partition).
-- No primary key: it would have to hold ended_at. That an end is recorded once is guaranteed by the delete in the same statement.
create table jobs.history (
  id          uuid        not null,
  enqueued_at timestamptz not null,
  started_at  timestamptz,
  ended_at    timestamptz not null,
  session     uuid,
  state       jobs.state  not null,
  attempt     integer     not null,
  failures    smallint    not null,
  crashes     smallint    not null,
  priority    smallint    not null,
  queue       text        not null,
  type        text        not null,
  args        json        not null,
  result      json,
  errors      jsonb
) partition by list (state);
create table jobs.history_succeeded partition of jobs.history for values in ('succeeded') partition by range (ended_at);
create table jobs.history_other     partition of jobs.history for values in ('failed', 'cancelled', 'expired') partition by range (ended_at);
create index history_id    on jobs.history (id);
create index history_ended on jobs.history using brin (ended_at) with (pages_per_range = 16, autosummarize = on);

-- One row for each process that takes part. Its dedicated connection holds the advisory lock lock_key.
create table jobs.session (
  id           uuid        not null,
  lock_key     bigint,                          -- null: locks are switched off, only the heartbeat counts
  started_at   timestamptz not null default now(),
  heartbeat_at timestamptz not null default now(),
  running      integer     not null default 0,
  process_id   integer     not null,
  host         text        not null,
  roles        text[]      not null,
  queues       jsonb       not null,            -- {"mail": 20}: slots by queue
  types        text[]      not null,            -- the job types it has handlers for
  constraint session_pk primary key (id)
);

-- What the reconciler knows about each queue.
create table jobs.queue (
  name      text not null,
  marker_at timestamptz,                        -- when the newest marker was sent
  swept_to  timestamptz,                        -- a marker sent at this time came back ...
  swept_at  timestamptz,                        -- ... at this time
  constraint queue_pk primary key (name)
);

-- Who leads. A write that needs a single writer checks the epoch in its own statement.
create table jobs.leader (
  name    text        not null,
  session uuid        not null,
  epoch   bigint      not null,
  until   timestamptz not null,
  constraint leader_pk primary key (name)
);

-- Partitions that exist from now on for `ahead` more; safe to call at any time, by anyone. A new partition is built on its own and then
-- attached, which does not lock out the engine (`create table ... partition of` would).
create function jobs.make_partitions(ahead interval) returns integer language plpgsql as $$
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
end $$;

select jobs.make_partitions(interval '14 days');
