select o.id, o.verb, o.branch, o.round, o.reason from jobs.transaction_order o where o.transaction_id = $1 and o.told_at is null order by o.id
