-- The least that keeps a job: one narrow row while it lives, one when it has ended. `bench_floor` stands for the schema of the run.
create schema bench_floor;
create table bench_floor.job (
  id      uuid     not null primary key,
  state   smallint not null,
  attempt integer  not null,
  args    json     not null
) with (fillfactor = 50); -- the claim rewrites each row once: in its own page, so that no index is touched
create table bench_floor.history (
  id       uuid        not null,
  attempt  integer     not null,
  ended_at timestamptz not null,
  args     json        not null
);
create index history_id on bench_floor.history (id);
