-- What operators tell the processes that run: stop this job, do not start jobs of this queue, leave. The rows are the truth; a signal only says that one has changed.

-- A hint to every process of the installation, sent with the commit: "cancel", "queue NAME", "drain SESSION", "ended ID,ID,...". It takes a lock of the whole database at commit,
-- so nothing on the way of every job may call it.
create function jobs.signal(word text) returns void language sql as $$ select pg_notify(split_part('jobs.signal', '.', 1), word) $$;

-- A request stays until the job has ended, and holds for each attempt until then. `session` is whose attempt it was told to last.
alter table jobs.cancel_request add column by text, add column reason text;
drop index jobs.cancel_request_session;

alter table jobs.queue
  add column paused_at      timestamptz,       -- no job of it is started ...
  add column paused_until   timestamptz,       -- ... before this; null: until it is resumed
  add column paused_by      text,
  add column pause_reason   text,
  add column ageing_seconds integer,           -- a queued job gains a level of priority each so many seconds
  add constraint queue_ageing check (ageing_seconds > 0);

alter table jobs.session
  add column drain_at     timestamptz,         -- it takes no more jobs, and leaves when those it runs have ended
  add column drain_by     text,
  add column drain_reason text;
