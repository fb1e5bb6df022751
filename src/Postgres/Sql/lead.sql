-- Takes or keeps the lead for $2 seconds. The epoch goes up whenever the leader changes; no row: somebody else leads.
insert into jobs.leader (name, session, epoch, until) values ('scheduler', $1, 1, now() + $2 * interval '1 second')
on conflict (name) do update set
  session = excluded.session, until = excluded.until,
  epoch = leader.epoch + (leader.session <> excluded.session)::integer
where leader.session = excluded.session or leader.until < now() or not exists (select from jobs.session s where s.id = leader.session)
returning epoch
