-- Still queued although its ticket was sent more than $3 seconds before a marker that has come back: send it again, under the same dispatch,
-- so that a ticket which somebody does hold stays valid and the job keeps its place.
with lost as materialized (
  select j.id from jobs.job j join jobs.queue q on q.name = j.queue
  where j.state = 'queued' and j.queue = $1 and j.ticket_at < q.swept_to - $3 * interval '1 second'
    and exists (select from jobs.leader where name = 'scheduler' and epoch = $4 and session = $5)
  order by j.ticket_at limit $2
  for update of j skip locked
), sent as (
  update jobs.job j set ticket_at = now()
  from lost where j.id = any(array[lost.id]) and j.state = 'queued'
  returning j.id, j.dispatch, j.queue, j.priority, j.type
), counted as (
  insert into jobs.tally (what, at, n)
  select 'ticketsResent', date_trunc('minute', now()), count(*) from sent having count(*) > 0
  on conflict (what, at) do update set n = tally.n + excluded.n
)
select id, dispatch, queue, priority, type from sent
