-- What a participant keeps in its own database. Safe to repeat; the lock lets one process at a time create it.
select pg_advisory_xact_lock(hashtextextended('jobs_participant.create', 0));

create schema if not exists jobs_participant;

-- One row for each branch that was prepared here, seen by others once it is committed, or whose abort was here first (then aborted_at is set). See PreparedTransactions.cs.
create table if not exists jobs_participant.branch (
  gid text primary key,
  at timestamptz not null default now(),
  aborted_at timestamptz
);

create index if not exists branch_at on jobs_participant.branch (at, gid);

-- Whose transactions are prepared here: the name stands in every gid, the origin tells two installations of one name apart.
create table if not exists jobs_participant.installation (
  name text primary key,
  origin text not null,
  at timestamptz not null default now()
);
