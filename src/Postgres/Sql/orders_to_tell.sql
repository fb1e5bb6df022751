-- Orders that no coordinator was sent; or it was sent a minute ago, and the branch is parked as it was: then the message was lost.
select o.id, o.verb, o.branch, o.round, o.reason from jobs.transaction_order o where o.transaction_id = $1 and (o.told_at is null or o.told_at < now() - interval '1 minute'
  and exists (select from jobs.transaction_branch b where b.transaction_id = o.transaction_id and b.number = o.branch and b.state = 'parked' and b.round = o.round)) order by o.id
