-- The end of attempts that take too long, and of those that somebody wants stopped.

-- Handlers that ignored their cancelled token: their attempts have ended, their code still runs in that process.
alter table jobs.session add column abandoned integer not null default 0;

-- Running jobs that are to be stopped. The worker takes its requests with its heartbeat; one that comes too late, because the attempt has ended, stops nothing.
create table jobs.cancel_request (
  job          uuid        not null,
  session      uuid        not null,                              -- whose attempt it is; an attempt under another session does not inherit the request
  requested_at timestamptz not null default clock_timestamp(),    -- attempts that start later are not meant
  constraint cancel_request_pk primary key (job)
);
create index cancel_request_session on jobs.cancel_request (session);
