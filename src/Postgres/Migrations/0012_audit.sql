-- Who was there, what went wrong, and what the audit finds.

-- Outcomes that came too late, because their attempt had been taken away: since this session was opened, and when the newest of them was reported.
alter table jobs.session
  add column refused    bigint not null default 0,
  add column refused_at timestamptz;

-- Sessions that have ended, so that the story of a job can name the machine that ran it. Cleared by retention after 90 days.
create table jobs.past_session (
  id         uuid        not null,
  host       text        not null,
  process_id integer     not null,
  roles      text[]      not null,
  queues     jsonb       not null,
  types      text[]      not null,
  started_at timestamptz not null,
  ended_at   timestamptz not null default now(),
  ending     text        not null,             -- closed: it stopped; lost: it was taken for dead
  refused    bigint      not null,
  refused_at timestamptz,
  constraint past_session_pk primary key (id),
  constraint past_session_ending check (ending in ('closed', 'lost'))
);
create index past_session_ended on jobs.past_session (ended_at);

-- Repairs, counted by the minute in the statements that make them: they are few, and a count that is written with its repair cannot differ from it.
create table jobs.tally (
  what text        not null,                   -- ticketsResent, poison
  at   timestamptz not null,                   -- the minute
  n    bigint      not null,
  constraint tally_pk primary key (what, at)
);

-- What the audit found when it looked last.
create table jobs.finding (
  name   text        not null,
  value  bigint      not null,                 -- how many; 0 is as it should be
  oldest timestamptz,                          -- since when, of the oldest
  detail text,
  at     timestamptz not null,                 -- when it was looked at
  constraint finding_pk primary key (name)
);
