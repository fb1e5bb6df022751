-- Where a job comes from and what was done to it. All of it is null for a plain job but its origin.

alter table jobs.job
  add column origin   text,                    -- who enqueued it and how: "app shop", "schedule nightly", "sql psql"
  add column trace    text,                    -- W3C traceparent of the span that enqueued it
  add column tags     text[],
  add column meta     jsonb,                   -- {"name": "value"}: what the enqueuer wants to have carried along
  add column retry_of uuid,                    -- the ended job of which this is a new life
  add column events   jsonb;                   -- what happened beside its plain way, oldest first: [{"at", "what", "by", ...}]
-- Rows that are inserted without saying so come from plain SQL.
alter table jobs.job alter column origin set default 'sql ' || coalesce(nullif(current_setting('application_name', true), ''), session_user::text);
create index job_tags on jobs.job using gin (tags) where tags is not null;

alter table jobs.history
  add column origin     text,
  add column trace      text,
  add column tags       text[],
  add column meta       jsonb,
  add column retry_of   uuid,
  add column retried_as uuid,                  -- the new life it was given; it gets one
  add column events     jsonb;
create index history_tags on jobs.history using gin (tags) where tags is not null;
-- What did not succeed is little and looked at often; what succeeded is not given indexes that every job would pay for.
create index history_other_type  on jobs.history_other (type, id);
create index history_other_queue on jobs.history_other (queue, id);
