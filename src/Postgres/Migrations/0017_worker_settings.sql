-- How many slots operators give queues and pools in each worker, and what workers say about theirs.

-- In force over configuration and code, in the workers that it names, until it is deleted. Of several for one worker the most particular counts: its session, its program on its machine, its machine, all.
create table jobs.worker_setting (
  kind   text        not null check (kind in ('queue', 'pool')),
  name   text        not null,                          -- of the queue, or of the pool in the workers' options
  worker text        not null,                          -- a session's id, MACHINE/APP, MACHINE, or empty: all
  slots  integer     not null check (slots between 0 and 10000),
  by     text        not null,
  reason text,
  at     timestamptz not null default now(),
  primary key (kind, name, worker)
);

alter table jobs.session add column slots jsonb;         -- {"queues": [{"queue", "slots", "busy", "pool", "setting"}], "pools": [...]}, as of the last heartbeat; null: no worker
