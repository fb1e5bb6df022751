-- Transactions that span services: what was begun, how far each branch is, and what was decided.

create table jobs.transaction (
  id          uuid        primary key,
  name        text        not null,
  mode        text        not null check (mode in ('twoPhase', 'saga')),
  state       text        not null check (state in ('running', 'committing', 'aborting', 'committed', 'aborted', 'parked')),
  priority    smallint    not null,
  created_at  timestamptz not null default now(),
  deadline_at timestamptz not null,                     -- not decided by then: aborted
  decided_at  timestamptz,
  ended_at    timestamptz,
  reason      text,                                     -- why it was aborted or is parked
  trace       text,                                     -- W3C traceparent of the span that began it
  watch       uuid                                      -- the job that looks after it until it has ended
);

-- What retention looks for, and what operators do.
create index transaction_ended on jobs.transaction (ended_at) where ended_at is not null;
create index transaction_live on jobs.transaction (created_at) where ended_at is null;

create table jobs.transaction_branch (
  transaction_id uuid        not null references jobs.transaction on delete cascade,
  number         integer     not null,
  stage          integer     not null,                  -- those of one stage at once, stages in their order; undone in the reverse one
  kind           text        not null,
  queue          text        not null,
  args           json        not null,
  compensated    boolean     not null,                  -- false: nothing has to be undone
  max_attempts   integer,                               -- failed attempts after which the step counts as failed; null: no end
  park_after     integer,                               -- failed attempts after which an operator is waited for; null: no end
  state          text        not null check (state in ('waiting', 'preparing', 'prepared', 'refused', 'committing', 'committed', 'aborting', 'aborted', 'parked')),
  round          integer     not null default 0,        -- counts what it was asked for; the upper half of the fence
  verb           text        check (verb in ('prepare', 'commit', 'abort')),
  job            uuid,                                  -- that does what it was asked for last
  after          uuid,                                  -- the one before, which that waits for if it may still be at work
  answered       integer,                               -- the attempt of the job whose answer was heard; null: none yet
  reason         text,
  asked_at       timestamptz,
  voted_at       timestamptz,
  ended_at       timestamptz,
  primary key (transaction_id, number)
);

-- The first row wins, whoever writes it: no two can decide differently. Nobody is told of a decision before it is committed.
create table jobs.transaction_decision (
  transaction_id uuid        primary key references jobs.transaction on delete cascade,
  decision       text        not null check (decision in ('commit', 'abort')),
  reason         text,
  decided_at     timestamptz not null default now()
);

-- For participants that keep no fence of their own: the highest one seen of each branch.
create table jobs.branch_fence (
  key   text   primary key,
  fence bigint not null,
  at    timestamptz not null default now()
);

-- What operators ordered, by whom and why. A job tells the coordinators of it; this stays as the record.
create table jobs.transaction_order (
  id             bigint      generated always as identity primary key,
  transaction_id uuid        not null references jobs.transaction on delete cascade,
  at             timestamptz not null default clock_timestamp(),
  verb           text        not null check (verb in ('abort', 'retry', 'settle')),
  branch         integer,                               -- null: the whole transaction
  round          integer,                               -- what the branch counted then: of another round the order is void
  by             text        not null,
  reason         text,
  told_at        timestamptz                            -- null: the coordinators have not been sent it
);
create index transaction_order_of on jobs.transaction_order (transaction_id);
