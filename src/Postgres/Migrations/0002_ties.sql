-- What a job may have beside its work: a key that keeps it unique, deadlines, others it waits for, a batch it belongs to.
-- All of it is null for a plain job, which pays a bit in its row's null bitmap and no index.

alter table jobs.job
  add column expires_at     timestamptz,       -- not worth starting after this
  add column timeout        float4,            -- seconds an attempt may take; null: what its type says
  add column unique_key     text,              -- TYPE:KEY, held while the row is here ...
  add column unique_waiting boolean,           -- ... or, if true, until its first claim
  add column batch          uuid,
  add column after          uuid[],            -- the jobs it was made to wait for
  add column waits          integer,           -- blocked: how many of them have not ended; the rows of jobs.edge
  add column followed       boolean;           -- others wait for its end: whoever ends it lets them go

create unique index job_unique  on jobs.job (unique_key) where unique_key is not null;
create index        job_expires on jobs.job (expires_at) where expires_at is not null;
create index        job_batch   on jobs.job (batch, id)  where batch is not null;

alter table jobs.history
  add column batch uuid,
  add column after uuid[];
create index history_batch on jobs.history (batch) where batch is not null;

-- Keys that outlive their job: unique for a period, whatever became of the job, and the message ids of jobs that came in over AMQP.
create table jobs.held_key (
  key   text        not null,
  job   uuid        not null,
  until timestamptz not null,                  -- free again after this; the scheduler clears the row away
  constraint held_key_pk primary key (key)
);
create index held_key_until on jobs.held_key (until);

-- Who waits for whom. A row is deleted by the statement that tells the child, so a child is told once.
create table jobs.edge (
  child   uuid not null,
  parent  uuid not null,
  effect  text not null,                       -- if the parent does not succeed: cancel, run or hold the child
  held_at timestamptz,                          -- hold: when the parent ended otherwise
  constraint edge_pk primary key (child, parent),
  constraint edge_effect check (effect in ('cancel', 'run', 'hold'))
);
create index edge_parent on jobs.edge (parent) where held_at is null;

-- A set of jobs, filled in any number of calls. What it holds is counted from the jobs themselves, so the counts cannot drift.
create table jobs.batch (
  id            uuid        not null,
  created_at    timestamptz not null default now(),
  sealed_at     timestamptz,                   -- nothing is added after this
  failed_at     timestamptz,                   -- the first of its jobs that did not succeed was seen
  completed_at  timestamptz,                   -- sealed, and all of its jobs have ended
  succeeded     bigint,                        -- both counts as they were at its completion, because history does not last
  failed        bigint,
  on_success    jsonb,                         -- callbacks: {"id", "type", "queue", "priority", "args"}
  on_failure    jsonb,
  on_completion jsonb,
  constraint batch_pk primary key (id)
);
create index batch_open on jobs.batch (id) where completed_at is null;
