-- Recurring jobs. A schedule says when; each of its occurrences is a row of the ledger, written in the transaction that enqueues its job.

create table jobs.schedule (
  name          text        not null,
  cron          text,                          -- one of these two
  every_seconds bigint,
  zone          text        not null,          -- IANA name
  type          text        not null,
  queue         text        not null,
  priority      smallint    not null,
  args          json        not null,
  ties          jsonb,                         -- what the job's type adds: deadlines, a unique key
  starts_at     timestamptz,
  ends_at       timestamptz,
  excluded      text[]      not null default '{}',
  on_missing    text,                          -- null, here and below: as the expression suggests
  on_repeated   text,
  catch_up      integer     not null,          -- after an outage: how many of the latest occurrences are enqueued
  overlap       text        not null,
  created_at    timestamptz not null default now(),
  changed_at    timestamptz not null default now(),
  paused_at     timestamptz,
  paused_by     text,
  resumed_at    timestamptz,                   -- until the recorder has written down what the pause left out
  recorded_to   timestamptz not null default now(), -- every occurrence up to here is in the ledger
  next_at       timestamptz,                   -- the next occurrence; -infinity: to be found out; null: paused or over
  last_job      uuid,                          -- the newest that was enqueued
  constraint schedule_pk primary key (name),
  constraint schedule_when check ((cron is null) <> (every_seconds is null)),
  constraint schedule_priority check (priority between 0 and 31)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0); -- few rows, updated at each occurrence
create index schedule_next on jobs.schedule (next_at) where next_at is not null;

-- The ledger: what became of each occurrence. Several in a row that were skipped for the same reason are one row.
create table jobs.occurrence (
  schedule    text        not null,
  at          timestamptz not null,            -- the instant it was scheduled for
  until       timestamptz,                     -- of several: the last one's
  count       integer     not null default 1,
  job         uuid,                            -- null: skipped
  reason      text,
  recorded_at timestamptz not null default now(),
  constraint occurrence_pk primary key (schedule, at),
  constraint occurrence_skipped check (job is not null or reason is not null)
);
create index occurrence_recorded on jobs.occurrence (recorded_at);
