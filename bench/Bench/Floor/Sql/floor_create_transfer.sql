create schema bench_floor;
create table bench_floor.decision (id uuid primary key, at timestamptz not null default now())
