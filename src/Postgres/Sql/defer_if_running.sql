-- X6 of an attempt that is to be followed by another: a retry ($5 is its error, an attempt is used up) or a snooze ($5 null, none is).
update jobs.job j set
  state = 'scheduled', session = null, ticket_at = null,
  due_at = now() + t.delay * interval '1 second',
  failures = j.failures + (t.error is not null)::integer,
  errors = case when t.error is null then j.errors
                else coalesce(j.errors, '[]') || (jsonb_build_object('attempt', j.attempt, 'at', now(), 'session', j.session) || t.error) end
from unnest($2::uuid[], $3::integer[], $4::float8[], $5::jsonb[]) as t (id, attempt, delay, error)
where j.id = t.id and j.state = 'running' and j.attempt = t.attempt and j.session = $1
