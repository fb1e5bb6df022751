select o.at, o.verb, o.branch, o.by, o.reason, o.told_at from jobs.transaction_order o where o.transaction_id = $1 order by o.id
