-- What operators do to jobs.

-- An ended job keeps how long an attempt might take, so that its new life has the same.
alter table jobs.history add column timeout float4;

-- Failed jobs that were given new lives in bulk. The new lives carry the tag redrive:ID.
create table jobs.redrive (
  id         uuid        not null,
  created_at timestamptz not null default now(), -- what failed later is not meant
  by         text        not null,
  reason     text,
  rate       float8,                              -- new lives a second; null: all at once
  undone_at  timestamptz,                         -- no new lives are made after this
  undone_by  text,
  constraint redrive_pk primary key (id)
);
